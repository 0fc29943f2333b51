//! Scalars that manifests write as text: sizes, durations, parts of a CPU, paths, IPv4 networks.
//! Each reader says what is wrong as a fragment; the walker adds the key's example.

mod base64;
mod decimal;
mod duration;
mod ipv4;
mod path;
mod shell_words;
mod size;

pub use base64::decode as decode_base64;
pub(crate) use decimal::thousandths;
pub(crate) use duration::{duration, long_duration};
pub(crate) use ipv4::{address_with_prefix, contains, network_of, parse_ipv4};
pub(crate) use path::{absolute, folder_relative};
pub(crate) use shell_words::split;
pub(crate) use size::size;

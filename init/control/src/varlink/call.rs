//! The two envelopes: a call and a reply.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A call as it arrives; parameters stay text until the method is known.
#[derive(Debug, Deserialize)]
pub struct CallEnvelope<'a> {
    /// `io.orlop.services.List`.
    #[serde(borrow)]
    pub method: Cow<'a, str>,
    /// The parameters' JSON text.
    #[serde(borrow)]
    pub parameters: Option<&'a RawValue>,
    /// The caller takes more than one reply.
    #[serde(default)]
    pub more: bool,
    /// The caller wants no reply.
    #[serde(default)]
    pub oneway: bool,
}

/// A reply as it arrives.
#[derive(Debug, Deserialize)]
pub struct ReplyEnvelope<'a> {
    /// The error's name when it is one.
    #[serde(borrow)]
    pub error: Option<Cow<'a, str>>,
    /// The parameters' JSON text.
    #[serde(borrow)]
    pub parameters: Option<&'a RawValue>,
    /// More replies follow.
    #[serde(default)]
    pub continues: bool,
}

#[derive(Serialize)]
struct CallOut<'a, P> {
    method: &'a str,
    parameters: &'a P,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    more: bool,
}

#[derive(Serialize)]
struct ReplyOut<'a, P> {
    parameters: &'a P,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    continues: bool,
}

/// A call as it travels, NUL included.
///
/// # Errors
/// When the parameters have no JSON form.
pub fn encode_call<P: Serialize>(
    method: &str,
    parameters: &P,
    more: bool,
) -> Result<Vec<u8>, serde_json::Error> {
    finish(&CallOut {
        method,
        parameters,
        more,
    })
}

/// A reply as it travels, NUL included.
///
/// # Errors
/// When the parameters have no JSON form.
pub fn encode_reply<P: Serialize>(
    parameters: &P,
    continues: bool,
) -> Result<Vec<u8>, serde_json::Error> {
    finish(&ReplyOut {
        parameters,
        continues,
    })
}

fn finish<T: Serialize>(message: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec(message)?;
    bytes.push(0);
    Ok(bytes)
}

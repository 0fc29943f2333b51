//! The keys of `healthcheck`: Compose's, and Orlop's own three questions.

use super::supervision::COUNT;
use super::{Shape, Table, form, key, table};

pub(super) const HEALTHCHECK: Table = table!(&[
    key(
        "test",
        Shape::Any(&[
            Shape::Text(&form::SHELL_LINE),
            Shape::List(&Shape::Text(&form::ARGUMENT))
        ]),
        "–",
        "A program of the image, which passes with exit code 0; text and `CMD-SHELL` are run by its `/bin/sh -c`.",
        "test = [\"CMD\", \"/usr/bin/redis-cli\", \"ping\"]",
    ),
    key(
        "http",
        Shape::Text(&form::HTTP),
        "–",
        "A GET inside of the container; needs no program in the image.",
        "http = \":80/\"",
    ),
    key(
        "expect",
        Shape::TextOrNumber(&form::STATUS),
        "`200-399`",
        "The answers to `http` that pass.",
        "expect = \"200-299\"",
    ),
    key(
        "tcp",
        Shape::TextOrNumber(&form::PORT_NUMBER),
        "–",
        "A connection to that port inside of the container.",
        "tcp = 6379",
    ),
    key(
        "file",
        Shape::Text(&form::PATH),
        "–",
        "Passes once that file exists in the container.",
        "file = \"/run/ready\"",
    ),
    key(
        "interval",
        Shape::Text(&form::DURATION),
        "`30s`",
        "From the end of one check to the next.",
        "interval = \"10s\"",
    ),
    key(
        "timeout",
        Shape::Text(&form::DURATION),
        "`30s`",
        "A check that takes longer has failed.",
        "timeout = \"5s\"",
    ),
    key(
        "retries",
        COUNT,
        "3",
        "So many failures in a row make it unhealthy.",
        "retries = 3",
    ),
    key(
        "start_period",
        Shape::Text(&form::DURATION),
        "`0s`",
        "Failures so soon after the start do not count.",
        "start_period = \"30s\"",
    ),
    key(
        "start_interval",
        Shape::Text(&form::DURATION),
        "`5s`",
        "The interval within `start_period`.",
        "start_interval = \"1s\"",
    ),
    key(
        "disable",
        Shape::Boolean,
        "`false`",
        "Turns the check off, as `test = [\"NONE\"]` does.",
        "disable = true",
    ),
]);

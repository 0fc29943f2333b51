//! Real clients on the workstation.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::HANG_LIMIT;
use crate::tool::run;

/// What curl gets from the path of the forwarded port.
///
/// # Errors
/// When curl is missing, and when it gets no answer or one that is no success.
pub fn curl(port: u16, path: &str) -> Result<String> {
    let url = format!("http://127.0.0.1:{port}{path}");
    // QEMU accepts before the machine does, so a refusal inside shows as a reset or an empty reply.
    let retry = ["--retry", "30", "--retry-all-errors", "--retry-delay", "1"];
    let mut curl = Command::new("curl");
    run(curl
        .args(["-sS", "--fail", "--max-time", "20"])
        .args(retry)
        .arg(url))?
    .success()
}

/// What redis-cli answers to these words at the forwarded port, once Redis listens.
///
/// # Errors
/// When redis-cli is missing, and when it gets no answer within [`HANG_LIMIT`].
pub fn redis(port: u16, words: &[&str]) -> Result<String> {
    let limit = Instant::now() + HANG_LIMIT;
    loop {
        let mut client = Command::new("redis-cli");
        let answer = run(client.args(["-p", &port.to_string()]).args(words))?;
        // As with curl: QEMU accepts, and the connection is reset while nobody listens inside. Redis
        // itself says LOADING while it reads its data.
        let ready = answer.status == 0 && !answer.stdout.starts_with("LOADING");
        if ready || Instant::now() >= limit {
            return Ok(answer.success()?.trim_end().to_owned());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// What psql prints for a statement at the forwarded port, by the user postgres, once PostgreSQL takes
/// connections.
///
/// # Errors
/// When psql is missing, the password is not the one, or the statement fails.
pub fn psql(port: u16, password: &str, statement: &str) -> Result<String> {
    let address = ["-h", "127.0.0.1", "-p", &port.to_string()];
    let mut client = Command::new("psql");
    let client = client
        // Bare values, and the first error is the end.
        .args([
            "-X",
            "-A",
            "-t",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "postgres",
        ])
        .args(address)
        .args(["-c", statement])
        .env("PGPASSWORD", password)
        .env("PGCONNECT_TIMEOUT", "60");
    Ok(run(client)?.success()?.trim_end().to_owned())
}

/// What skopeo says to these words; it takes images that nobody has signed.
///
/// # Errors
/// When skopeo is missing or fails.
pub fn skopeo(words: &[&str]) -> Result<String> {
    let mut client = Command::new("skopeo");
    run(client.arg("--insecure-policy").args(words))?.success()
}

//! A client on the workstation that stays: it is given a line and answers with one.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::spawner;

/// `redis-cli` or `psql`, reading commands from stdin; ended when dropped.
#[derive(Debug)]
pub struct Conversation {
    client: Child,
    words: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Conversation {
    /// With Redis at a port of the workstation.
    ///
    /// # Errors
    /// When redis-cli cannot be started.
    pub fn redis(port: u16) -> Result<Self> {
        Self::begin("redis-cli", &["-p", &port.to_string()], "")
    }

    /// With PostgreSQL at a port of the workstation, as the user postgres.
    ///
    /// # Errors
    /// When psql cannot be started.
    pub fn psql(port: u16, password: &str) -> Result<Self> {
        let port = port.to_string();
        let words = ["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1"];
        let place = ["-h", "127.0.0.1", "-U", "postgres", "-p", &port];
        Self::begin("psql", &[&words[..], &place].concat(), password)
    }

    fn begin(program: &str, words: &[&str], password: &str) -> Result<Self> {
        let mut client = spawner::mortal();
        client
            .arg(program)
            .args(words)
            .env("PGPASSWORD", password)
            .env("PGCONNECT_TIMEOUT", "60")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut client = spawner::spawn(client)?;
        let words = client.stdin.take().context("take the client's stdin")?;
        let answers = client.stdout.take().context("take the client's stdout")?;
        let answers = BufReader::new(answers);
        Ok(Self {
            client,
            words,
            answers,
        })
    }

    /// Says a line, and gives the line that is the answer.
    ///
    /// # Errors
    /// When the client ends instead, as psql does after a statement that fails.
    pub fn ask(&mut self, line: &str) -> Result<String> {
        writeln!(self.words, "{line}").with_context(|| format!("say {line:?}"))?;
        let mut answer = String::new();
        let length = self.answers.read_line(&mut answer);
        if length.with_context(|| format!("hear what {line:?} gives"))? == 0 {
            bail!("the client ended over {line:?}");
        }
        Ok(answer.trim_end().to_owned())
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

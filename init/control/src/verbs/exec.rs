//! The words of `exec`, as those of `docker exec`.

use lexopt::{Arg, Parser, ValueExt};

use super::{UsageError, Verb};
use crate::ExecRequest;

/// What follows the verb. `stdin` is whether there is somebody to read from.
pub(super) fn parse(parser: &mut Parser) -> Result<Verb, UsageError> {
    let mut request = ExecRequest::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('e') | Arg::Long("env") => {
                let text = parser.value()?.string()?;
                let (name, value) = variable(&text)?;
                request.environment.insert(name, value);
            }
            Arg::Short('u') | Arg::Long("user") => {
                request.user = Some(parser.value()?.string()?);
            }
            Arg::Short('w') | Arg::Long("workdir") => {
                request.working_dir = Some(parser.value()?.string()?);
            }
            Arg::Short('i' | 't') | Arg::Long("interactive" | "tty") => {
                return Err(UsageError::Terminal);
            }
            Arg::Value(name) => {
                request.name = name.string()?;
                break;
            }
            other => return Err(other.unexpected().into()),
        }
    }
    if request.name.is_empty() {
        return Err(UsageError::NoName("exec"));
    }
    // Options from here on are the command's.
    let mut words = parser.raw_args()?.peekable();
    let _separator = words.next_if(|word| word == "--");
    for word in words {
        request.command.push(word.string()?);
    }
    match request.command.is_empty() {
        true => Err(UsageError::NoCommand),
        false => Ok(Verb::Exec { request }),
    }
}

/// `KEY=VALUE`, or `KEY` with the value that it has here.
fn variable(text: &str) -> Result<(String, String), UsageError> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, value.to_owned()),
        None => {
            let value = std::env::var(text);
            (
                text,
                value.map_err(|_| UsageError::Variable(text.to_owned()))?,
            )
        }
    };
    match name.is_empty() {
        true => Err(UsageError::Variable(text.to_owned())),
        false => Ok((name.to_owned(), value)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn words(line: &str) -> Result<Verb, String> {
        parse(line.split(' ').map(std::ffi::OsString::from)).map_err(|e| e.to_string())
    }

    #[test]
    fn options_end_at_the_service() {
        let request = ExecRequest {
            name: "web".to_owned(),
            command: ["ls", "-u", "--", "-t"].map(str::to_owned).to_vec(),
            environment: [("A".to_owned(), "b=c".to_owned())].into(),
            user: Some("1000:1000".to_owned()),
            working_dir: Some("/tmp".to_owned()),
            stdin: false,
        };
        let options = "-e A=b=c -u 1000:1000 -w /tmp";
        let exec = Verb::Exec { request };
        assert_eq!(
            words(&format!("exec {options} web ls -u -- -t")),
            Ok(exec.clone())
        );
        assert_eq!(
            words(&format!("exec {options} web -- ls -u -- -t")),
            Ok(exec)
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let terminal = "exec has no terminal yet, so neither -i nor -t: without them it passes \
             standard input on when that is a pipe or a file";
        let cases = [
            ("exec", "exec needs the name of a service"),
            (
                "exec web",
                "exec needs a command behind the name of the service",
            ),
            (
                "exec web --",
                "exec needs a command behind the name of the service",
            ),
            ("exec -it web sh", terminal),
            ("exec --tty web sh", terminal),
            ("exec -d web sh", "invalid option '-d'"),
            (
                "exec -e =x web sh",
                "-e takes KEY=VALUE, or KEY of a variable that is set here, not \"=x\"",
            ),
            (
                "exec -e NOT_SET_HERE web sh",
                "-e takes KEY=VALUE, or KEY of a variable that is set here, not \"NOT_SET_HERE\"",
            ),
        ];
        for (line, message) in cases {
            assert_eq!(words(line).unwrap_err(), message);
        }
    }
}

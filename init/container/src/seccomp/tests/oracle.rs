//! libseccomp and the running kernel, by way of `oracle.c` (which Debian's libseccomp-dev compiles).

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use orlop_sys::seccomp::Instruction;

use crate::seccomp::{Action, Architecture, Comparison, Condition};

pub(super) struct Oracle {
    // Ends with its standard input.
    _process: Child,
    question: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// A rule as libseccomp takes it.
pub(super) struct NamedRule<'a> {
    pub(super) name: &'a str,
    pub(super) conditions: &'a [Condition],
    pub(super) action: Action,
}

/// A system call's number and arguments.
pub(super) type Call = (u32, [u64; 6]);

impl Oracle {
    pub(super) fn start() -> Self {
        let program = compiled();
        let mut process = Command::new(&program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::fs::remove_file(program).unwrap();
        Self {
            question: process.stdin.take().unwrap(),
            answers: BufReader::new(process.stdout.take().unwrap()),
            _process: process,
        }
    }

    /// libseccomp's number of a name; `None` when it does not know it or has only a pseudo number.
    pub(super) fn resolve(&mut self, architecture: Architecture, name: &str) -> Option<u32> {
        self.ask(&format!("resolve {} {name}\n", arch_name(architecture)));
        u32::try_from(self.number()).ok()
    }

    /// libseccomp's program; empty when it refuses a rule.
    pub(super) fn export(
        &mut self,
        otherwise: Action,
        foreign: Action,
        architectures: &[Architecture],
        rules: &[NamedRule<'_>],
    ) -> Vec<Instruction> {
        let mut text = format!(
            "export {} {} {}",
            otherwise.code(),
            foreign.code(),
            architectures.len()
        );
        for &architecture in architectures {
            write!(text, " {}", arch_name(architecture)).unwrap();
        }
        writeln!(text, " {}", rules.len()).unwrap();
        for rule in rules {
            write!(
                text,
                "{} {} {}",
                rule.action.code(),
                rule.name,
                rule.conditions.len()
            )
            .unwrap();
            for condition in rule.conditions {
                let (operation, first, second) = operation(condition.comparison);
                write!(text, " {} {operation} {first} {second}", condition.argument).unwrap();
            }
            text.push('\n');
        }
        self.ask(&text);
        let length = self.number();
        (0..length).map(|_| self.instruction()).collect()
    }

    /// The errno of each call under this filter, in the running kernel.
    pub(super) fn run(&mut self, program: &[Instruction], calls: &[Call]) -> Vec<i64> {
        let mut text = format!("run {}\n", program.len());
        for Instruction { code, jt, jf, k } in program {
            writeln!(text, "{code} {jt} {jf} {k}").unwrap();
        }
        writeln!(text, "{}", calls.len()).unwrap();
        for (number, arguments) in calls {
            write!(text, "{number}").unwrap();
            for argument in arguments {
                write!(text, " {argument}").unwrap();
            }
            text.push('\n');
        }
        self.ask(&text);
        calls.iter().map(|_| self.number()).collect()
    }

    fn ask(&mut self, text: &str) {
        self.question.write_all(text.as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert!(
            line.ends_with('\n'),
            "the oracle said why it ended on its standard error"
        );
        line
    }

    fn number(&mut self) -> i64 {
        self.line().trim().parse().unwrap()
    }

    fn instruction(&mut self) -> Instruction {
        let line = self.line();
        let mut words = line.split_whitespace();
        let mut next = || words.next().unwrap();
        Instruction {
            code: next().parse().unwrap(),
            jt: next().parse().unwrap(),
            jf: next().parse().unwrap(),
            k: next().parse().unwrap(),
        }
    }
}

fn arch_name(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => "x86_64",
        Architecture::I386 => "x86",
        Architecture::Aarch64 => "aarch64",
    }
}

/// enum scmp_compare of seccomp.h, and its two values.
fn operation(comparison: Comparison) -> (u32, u64, u64) {
    match comparison {
        Comparison::Ne(value) => (1, value, 0),
        Comparison::Lt(value) => (2, value, 0),
        Comparison::Le(value) => (3, value, 0),
        Comparison::Eq(value) => (4, value, 0),
        Comparison::Ge(value) => (5, value, 0),
        Comparison::Gt(value) => (6, value, 0),
        Comparison::MaskedEq { mask, value } => (7, mask, value),
    }
}

/// Compiles it anew; the file is gone once it runs.
fn compiled() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/seccomp/tests/oracle.c");
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("orlop-oracle-{}-{number}", std::process::id());
    let program = std::env::temp_dir().join(name);
    let status = Command::new("cc")
        .args(["-O1", "-Wall", "-Werror", "-o"])
        .arg(&program)
        .arg(source)
        .arg("-lseccomp")
        .status()
        .unwrap();
    assert!(
        status.success(),
        "the oracle needs cc and libseccomp-dev: .ci/setup test"
    );
    program
}

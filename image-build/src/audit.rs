//! `orlop audit`: what the manifests grant, for people or as JSON.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use orlop_config::{Allowance, Reach};
use serde_json::json;

use crate::check::{has_errors, report, several};
use crate::machine_folder::MachineFolder;

/// The exit code when a grant reaches as far as `--deny` says.
const EXIT_DENIED: u8 = 3;

/// What `orlop audit` is asked for.
#[derive(Debug, Args)]
pub struct AuditOptions {
    /// The machine's folder
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// One JSON array instead of text
    #[arg(long)]
    json: bool,
    /// End with exit code 3 when a grant reaches that far
    #[arg(long, value_name = "REACH")]
    deny: Option<Deny>,
}

/// How far is too far.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Deny {
    /// Beyond the service itself
    Services,
    /// The machine
    Machine,
}

/// Prints what the services of a machine are allowed beyond `restricted`. Returns the exit code: 1
/// when a manifest has an error (then nothing is audited), 3 when something reaches as far as is
/// denied, else 0.
///
/// # Errors
/// When the folder is no machine's, or stdout is closed.
pub fn audit(options: &AuditOptions) -> Result<u8> {
    let checked = MachineFolder::load(&options.dir)?.check();
    if has_errors(&checked) {
        // A closed stderr changes nothing of the exit code.
        let _ = std::io::stderr().write_all(report(&checked).as_bytes());
        return Ok(1);
    }
    let found = orlop_config::audit(&checked.services);
    let text = if options.json {
        format!("{:#}\n", as_json(&found))
    } else {
        as_text(&found, checked.services.len())
    };
    let mut stdout = std::io::stdout();
    stdout
        .write_all(text.as_bytes())
        .context("write to stdout")?;
    let limit = options.deny.map(|deny| match deny {
        Deny::Services => Reach::Services,
        Deny::Machine => Reach::Machine,
    });
    let denied = limit.is_some_and(|limit| found.iter().any(|one| one.reach >= limit));
    Ok(if denied { EXIT_DENIED } else { 0 })
}

/// The line of `orlop check` about grants; nothing when none leaves its service.
pub(crate) fn summary(found: &[Allowance], dir: &Path) -> Option<String> {
    let far = counted(found, &[Reach::Machine, Reach::Services])?;
    let names = match far.grants {
        1 => "it",
        _ => "each",
    };
    let sentence = far.sentence;
    let dir = match dir == Path::new(".") {
        true => String::new(),
        false => format!(" {}", dir.display()),
    };
    Some(format!(
        "{sentence}; `orlop audit{dir}` shows {names} and what to write instead\n"
    ))
}

/// Some grants in words, and how many they are.
struct Counted {
    grants: usize,
    sentence: String,
}

/// Such as `1 grant reaches the machine, 2 reach other services or the network`; what there is none of
/// is not said.
fn counted(found: &[Allowance], reaches: &[Reach]) -> Option<Counted> {
    let mut grants = 0;
    let mut sentence = String::new();
    for reach in reaches {
        let count = found.iter().filter(|one| one.reach == *reach).count();
        let whom = match reach {
            Reach::Machine => "the machine",
            Reach::Services => "other services or the network",
            Reach::Itself => "only the service itself",
        };
        let (noun, verb) = match count {
            0 => continue,
            1 => ("grant ", "reaches"),
            _ => ("grants ", "reach"),
        };
        let noun = if grants == 0 { noun } else { "" };
        let comma = if grants == 0 { "" } else { ", " };
        sentence += &format!("{comma}{count} {noun}{verb} {whom}");
        grants += count;
    }
    (grants > 0).then_some(Counted { grants, sentence })
}

fn as_json(found: &[Allowance]) -> serde_json::Value {
    let one = |one: &Allowance| {
        json!({
            "service": one.service.as_str(),
            "reach": one.reach.to_string(),
            "grant": one.line,
            "allows": one.allows,
            "instead": one.instead,
        })
    };
    found.iter().map(one).collect()
}

fn as_text(found: &[Allowance], services: usize) -> String {
    let mut text = String::new();
    let mut last = None;
    for one in found {
        if last != Some(&one.service) {
            let _strings_take_all = writeln!(text, "{}", one.service);
            last = Some(&one.service);
        }
        let _strings_take_all = write!(
            text,
            "  {:9} {}\n            {}\n            instead: {}\n",
            one.reach.to_string(),
            one.line,
            one.allows,
            one.instead
        );
    }
    let all = counted(found, &[Reach::Machine, Reach::Services, Reach::Itself]);
    let sentence = all.map_or_else(|| "no grants".to_owned(), |all| all.sentence);
    let services = several(services, "service");
    let _strings_take_all = writeln!(text, "{services}: {sentence}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use orlop_config::ServiceName;

    fn one(reach: Reach) -> Allowance {
        Allowance {
            service: ServiceName::new("web").unwrap(),
            reach,
            line: "network_mode = \"host\"".to_owned(),
            allows: "it speaks".to_owned(),
            instead: "network_mode = \"bridge\"".to_owned(),
        }
    }

    #[test]
    fn text_has_one_block_a_service() {
        let found = [one(Reach::Machine), one(Reach::Itself)];
        assert_eq!(
            as_text(&found, 3),
            "web\n  machine   network_mode = \"host\"\n            it speaks\n            instead: network_mode = \"bridge\"\n  \
             itself    network_mode = \"host\"\n            it speaks\n            instead: network_mode = \"bridge\"\n\
             3 services: 1 grant reaches the machine, 1 reaches only the service itself\n"
        );
    }

    #[test]
    fn json_says_the_same() {
        let value = as_json(&[one(Reach::Services)]);
        assert_eq!(value.pointer("/0/reach").unwrap(), "services");
        assert_eq!(
            value.pointer("/0/grant").unwrap(),
            "network_mode = \"host\""
        );
    }

    #[test]
    fn a_check_says_only_what_leaves_its_service() {
        assert_eq!(summary(&[one(Reach::Itself)], Path::new(".")), None);
        let said = |reaches: &[Reach]| {
            let found: Vec<Allowance> = reaches.iter().map(|reach| one(*reach)).collect();
            summary(&found, Path::new("shop")).unwrap()
        };
        assert_eq!(
            said(&[Reach::Machine]),
            "1 grant reaches the machine; `orlop audit shop` shows it and what to write instead\n"
        );
        assert_eq!(
            said(&[Reach::Services, Reach::Machine, Reach::Services]),
            "1 grant reaches the machine, 2 reach other services or the network; \
             `orlop audit shop` shows each and what to write instead\n"
        );
    }

    #[test]
    fn a_machine_that_grants_nothing_is_told_so() {
        assert_eq!(as_text(&[], 1), "1 service: no grants\n");
    }
}

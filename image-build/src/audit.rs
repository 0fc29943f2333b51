//! `orlop audit`: what the manifests grant, for people or as JSON.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use orlop_config::{Allowance, Reach};
use serde_json::json;

use crate::check::{has_errors, report};
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
pub(crate) fn summary(found: &[Allowance]) -> Option<String> {
    let [machine, services] = [Reach::Machine, Reach::Services].map(|reach| count(found, reach));
    (machine + services > 0).then(|| {
        format!(
            "{} the machine, {services} other services or its network; `orlop audit` names each and what to write instead\n",
            reaches(machine)
        )
    })
}

fn count(found: &[Allowance], reach: Reach) -> usize {
    found.iter().filter(|one| one.reach == reach).count()
}

fn reaches(count: usize) -> String {
    match count {
        1 => "1 grant reaches".to_owned(),
        _ => format!("{count} grants reach"),
    }
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
    let [itself, others, machine] =
        [Reach::Itself, Reach::Services, Reach::Machine].map(|reach| count(found, reach));
    let _strings_take_all = writeln!(
        text,
        "{services} service{}: {} the machine, {others} other services or its network, {itself} only the service itself",
        if services == 1 { "" } else { "s" },
        reaches(machine),
    );
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
             3 services: 1 grant reaches the machine, 0 other services or its network, 1 only the service itself\n"
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
        assert_eq!(summary(&[one(Reach::Itself)]), None);
        let said = summary(&[one(Reach::Services), one(Reach::Machine)]).unwrap();
        assert!(
            said.starts_with("1 grant reaches the machine, 1 other"),
            "{said}"
        );
    }
}

//! The words of Docker, Compose and systemd, and what does the same here.

use orlop_config::nearest;

/// Words that mean one thing, and that.
const WORDS: &[(&[&str], &str)] = &[
    (
        &["up"],
        "`orlop run DIR` boots the machine with all its services",
    ),
    (
        &["down", "shutdown"],
        "`orlop poweroff` ends the machine, `orlop stop NAME` one service",
    ),
    (
        &["rm", "remove", "delete", "uninstall"],
        "`orlop stop NAME` stops a service; to be rid of it, remove its folder services/NAME",
    ),
    (
        &["install", "create"],
        "`orlop add NAME` adds a service of the catalogue, `orlop new DIR` makes a machine",
    ),
    (&["init"], "`orlop new DIR` makes a machine"),
    (
        &[
            "pull", "push", "image", "images", "tag", "load", "import", "save",
        ],
        "`orlop build` makes every image from its service's build; there is no registry",
    ),
    (
        &["inspect", "show", "describe"],
        "`orlop config NAME` shows what counts for a service, `orlop ps --json` how it does",
    ),
    (
        &[
            "status",
            "list",
            "ls",
            "container",
            "service",
            "services",
            "stats",
            "top",
        ],
        "`orlop ps` shows the services",
    ),
    (
        &["log", "journalctl", "events"],
        "`orlop logs -f` follows what the services write",
    ),
    (
        &["attach", "shell", "sh", "bash", "console"],
        "the machine's console is in the terminal of `orlop run`; `orlop exec NAME COMMAND` runs a command in a service",
    ),
    (
        &["ssh", "login"],
        "`orlop add ssh` adds the service, and docs/tutorial.md shows how to log in",
    ),
    (
        &["cp"],
        "`orlop exec NAME cat FILE` prints a file of a service; its folder carries files into it",
    ),
    (
        &["volume", "volumes"],
        "[volumes.NAME] in system.toml declares a volume",
    ),
    (
        &["network", "networks"],
        "all services share one bridge; ports = [\"8080:80\"] in a service.toml publishes a port",
    ),
    (
        &["pause", "unpause"],
        "`orlop stop NAME` and `orlop start NAME`",
    ),
    (
        &["lint", "validate", "test"],
        "`orlop check DIR` tells every error of every manifest",
    ),
    (&["version"], "`orlop --version`"),
];

/// What to use instead of a command that there is not: what the word means elsewhere, or the nearest
/// of `known`.
#[must_use]
pub fn instead_of(words: &[String], known: &[&str]) -> Option<String> {
    let (first, rest) = words.split_first()?;
    if first == "compose" || first == "docker" || first == "systemctl" {
        let word = rest.iter().find(|word| !word.starts_with('-'))?;
        return match known.contains(&word.as_str()) {
            true => Some(format!("`orlop {word}` is the command itself")),
            false => instead_of(rest, known),
        };
    }
    let mut groups = WORDS.iter();
    if let Some((_, instead)) = groups.find(|(words, _)| words.contains(&first.as_str())) {
        return Some((*instead).to_owned());
    }
    let near = nearest(first, known.iter().copied())?;
    Some(format!("did you mean `orlop {near}`?"))
}

/// What to do instead of an option of `docker run` or `docker compose up`.
#[must_use]
pub fn instead_of_option(option: &str) -> Option<&'static str> {
    Some(match option {
        "-d" | "--detach" => "`orlop run DIR --headless &` leaves the terminal free",
        "-p" | "--publish" => "ports = [\"8080:80\"] in a service.toml publishes a port",
        "-v" | "--volume" | "--mount" => {
            "volumes = [\"data:/data\"] in a service.toml mounts a volume"
        }
        "-e" | "--env" | "--env-file" => {
            "[environment] or env_file in a service.toml sets variables"
        }
        "--build" => "`orlop run` builds what has changed by itself",
        "-f" | "--file" => "name the machine's folder itself, as in `orlop run DIR`",
        "--rm" => "nothing of a machine stays but its state disk, which --fresh empties",
        "-i" | "-t" | "-it" => "the console is in the terminal unless --headless is given",
        "-m" => "--memory 1G gives the machine memory",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_docker_are_answered_with_ours() {
        let known = ["run", "build", "ps", "logs", "check"];
        let said = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            instead_of(&words, &known).unwrap_or_default()
        };
        assert!(said("up -d").starts_with("`orlop run DIR`"));
        assert!(said("compose -f x up").is_empty());
        assert!(said("compose up").starts_with("`orlop run DIR`"));
        assert_eq!(said("compose logs"), "`orlop logs` is the command itself");
        assert_eq!(said("chekc"), "did you mean `orlop check`?");
        assert_eq!(said("frobnicate"), "");
    }

    #[test]
    fn no_word_is_here_twice() {
        let mut all: Vec<&str> = WORDS
            .iter()
            .flat_map(|(words, _)| *words)
            .copied()
            .collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}

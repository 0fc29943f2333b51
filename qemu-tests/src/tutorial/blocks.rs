//! The terminals of a page. Pure.

/// One command with what it prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) place: Place,
    /// As typed, with the lines of a here-document.
    pub(super) typed: String,
    /// What the page says that it prints.
    pub(super) prints: Vec<String>,
    /// The lines of `prints` in the page, from 0.
    pub(super) lines: std::ops::Range<usize>,
    pub(super) comparison: Comparison,
}

/// Where a command is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The workstation's shell.
    Workstation,
    /// The machine's console.
    Console,
}

/// How what a command prints is compared with the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    /// Line by line.
    Ordered,
    /// The same lines in any order.
    Unordered,
    /// The first words of the lines that are written, among those that are printed.
    Varies,
}

const WORKSTATION: &str = "$ ";
/// The prompt of the console.
pub(super) const CONSOLE: &str = "console:~# ";

/// Every command of the page, in order.
pub(super) fn commands(markdown: &str) -> Vec<Command> {
    let mut found: Vec<Command> = Vec::new();
    let mut block: Option<Comparison> = None;
    let mut until: Option<String> = None;
    let mut fresh = false;
    for (number, line) in markdown.lines().enumerate() {
        let Some(comparison) = block else {
            block = opens(line);
            fresh = true;
            continue;
        };
        if let Some((end, command)) = until.as_ref().zip(found.last_mut()) {
            command.typed.push('\n');
            command.typed.push_str(line);
            command.lines = number + 1..number + 1;
            if line == end {
                until = None;
            }
            continue;
        }
        if line == "```" {
            block = None;
            continue;
        }
        let typed = [(WORKSTATION, Place::Workstation), (CONSOLE, Place::Console)];
        let typed = typed.into_iter().find_map(|(prompt, place)| {
            let typed = line.strip_prefix(prompt)?;
            Some((place, typed.to_owned()))
        });
        if let Some((place, typed)) = typed {
            until = here_document(&typed);
            fresh = false;
            found.push(Command {
                place,
                typed,
                prints: Vec::new(),
                lines: number + 1..number + 1,
                comparison,
            });
        } else if let Some(command) = found.last_mut() {
            assert!(
                !fresh,
                "line {}: printed by no command of its block",
                number + 1
            );
            command.prints.push(line.to_owned());
            command.lines.end = number + 1;
        }
    }
    found
}

fn opens(line: &str) -> Option<Comparison> {
    let mut words = line.strip_prefix("```")?.split_whitespace();
    if words.next() != Some("console") {
        return None;
    }
    Some(match words.next() {
        Some("unordered") => Comparison::Unordered,
        Some("varies") => Comparison::Varies,
        _ => Comparison::Ordered,
    })
}

/// The word that ends a here-document of this command.
fn here_document(typed: &str) -> Option<String> {
    let (_, word) = typed.split_once("<<")?;
    let word = word.split_whitespace().next()?;
    Some(word.trim_matches('\'').to_owned())
}

/// The page with other lines in place of what the commands print.
pub(super) fn rewritten(markdown: &str, printed: &[(Command, Vec<String>)]) -> String {
    let mut lines: Vec<String> = markdown.lines().map(str::to_owned).collect();
    for (command, prints) in printed.iter().rev() {
        lines.splice(command.lines.clone(), prints.iter().cloned());
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
Words.
```console
$ cat > file <<'END'
$ not a command
END
$ ls
file
other
```
```sh
$ rm -rf /
```
```console unordered
console:~# orlop ps
NAME
```
";

    #[test]
    fn a_page_is_commands_with_what_they_print() {
        let found = commands(PAGE);
        let typed: Vec<&str> = found.iter().map(|command| command.typed.as_str()).collect();
        assert_eq!(
            typed,
            ["cat > file <<'END'\n$ not a command\nEND", "ls", "orlop ps"]
        );
        assert_eq!(found[1].prints, ["file", "other"]);
        assert_eq!(found[2].place, Place::Console);
        assert_eq!(found[2].comparison, Comparison::Unordered);
    }

    #[test]
    fn blessing_changes_what_is_printed_and_nothing_else() {
        let found = commands(PAGE);
        let same: Vec<_> = found
            .iter()
            .map(|c| (c.clone(), c.prints.clone()))
            .collect();
        assert_eq!(rewritten(PAGE, &same), PAGE);
        let prints = vec![vec!["said".to_owned()], vec!["file".to_owned()], vec![]];
        let other: Vec<_> = found.iter().cloned().zip(prints).collect();
        let page = rewritten(PAGE, &other);
        assert!(page.contains("END\nsaid\n$ ls\nfile\n```"), "{page}");
        assert!(page.ends_with("console:~# orlop ps\n```\n"), "{page}");
    }
}

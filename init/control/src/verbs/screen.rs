//! What the output is drawn on.

/// How wide it is, and whether it shows colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// Letters in a line.
    pub columns: usize,
    /// Whether SGR sequences are obeyed.
    pub colours: bool,
}

/// A terminal's classic width: of a serial line, which does not know, and of what is no terminal.
const COLUMNS: usize = 80;

impl Screen {
    /// No terminal: a file, a pipe, a test.
    pub const PLAIN: Self = Self {
        columns: COLUMNS,
        colours: false,
    };

    /// Standard output: the terminal's width (tty_ioctl(4), TIOCGWINSZ), else `COLUMNS`, else 80; colours
    /// on a terminal, unless `NO_COLOR` is set or the terminal is dumb.
    #[must_use]
    pub fn of_stdout() -> Self {
        let stdout = std::io::stdout();
        let variable = |name| std::env::var(name).ok();
        if !std::io::IsTerminal::is_terminal(&stdout) {
            return Self::PLAIN;
        }
        let known = rustix::termios::tcgetwinsize(&stdout).map_or(0, |size| size.ws_col);
        let told = || variable("COLUMNS")?.parse().ok();
        let columns = match known {
            0 => told().unwrap_or(COLUMNS),
            columns => usize::from(columns),
        };
        let plain = variable("NO_COLOR").is_some_and(|value| !value.is_empty())
            || variable("TERM").is_some_and(|terminal| terminal == "dumb");
        Self {
            columns,
            colours: !plain,
        }
    }
}

//! The kernel's command line: what the builder writes, and where it puts the console.

/// What the kernel is started with; the machine's own words come last, so that they win. The
/// console is the serial line, unless they name one.
#[must_use]
pub(crate) fn cmdline(own: &str) -> String {
    let base = "quiet panic=-1";
    match (console(own), own) {
        (None, "") => format!("console=ttyS0 {base}"),
        (None, own) => format!("console=ttyS0 {base} {own}"),
        (Some(_), own) => format!("{base} {own}"),
    }
}

/// What a kernel on a disk is started with, instead of `cmdline`: it finds its system by the hash of
/// it, believes the backup of a torn partition table, and where nobody named a console and there is
/// no serial line, the screen is one.
#[must_use]
pub(crate) fn on_disk(cmdline: &str, root_hash: &[u8; 32]) -> String {
    let screen = match console(cmdline) {
        Some("ttyS0") => "console=tty0 ",
        _ => "",
    };
    // In front: what stands behind `--` is not the kernel's.
    format!("{screen}roothash={} gpt {cmdline}", hex::encode(root_hash))
}

/// Whether `/dev/console` leads to a virtio port.
#[must_use]
pub(crate) fn is_on_virtio(cmdline: &str) -> bool {
    console(cmdline).is_some_and(|console| console.starts_with("hvc"))
}

/// The last `console=`, which is where `/dev/console` leads (serial-console.rst of the kernel).
fn console(cmdline: &str) -> Option<&str> {
    // What stands behind is for the first process.
    let words = cmdline.split_ascii_whitespace();
    let words = words.take_while(|word| *word != "--");
    words
        .filter_map(|word| word.strip_prefix("console="))
        .last()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_may_name_its_console() {
        assert_eq!(cmdline(""), "console=ttyS0 quiet panic=-1");
        assert_eq!(cmdline("a=b"), "console=ttyS0 quiet panic=-1 a=b");
        assert_eq!(cmdline("console=hvc0"), "quiet panic=-1 console=hvc0");
    }

    #[test]
    fn on_a_disk_the_screen_is_a_console_unless_another_is_named() {
        let hash = "ab".repeat(32);
        assert_eq!(
            on_disk("console=ttyS0 quiet -- x", &[0xab; 32]),
            format!("console=tty0 roothash={hash} gpt console=ttyS0 quiet -- x")
        );
        assert_eq!(
            on_disk("quiet console=hvc0", &[0xab; 32]),
            format!("roothash={hash} gpt quiet console=hvc0")
        );
    }

    #[test]
    fn the_last_console_is_the_machines() {
        assert!(is_on_virtio("console=ttyS0 console=hvc0 quiet"));
        assert!(!is_on_virtio("console=hvc0 console=tty0"));
        assert!(!is_on_virtio("console=tty0 -- console=hvc0"));
        assert!(!is_on_virtio(""));
    }
}

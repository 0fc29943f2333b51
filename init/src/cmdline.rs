//! The kernel's command line, what of it is Orlop's (proc_cmdline(5), kernel-parameters).

/// The parameters that PID 1 reads. Unknown ones belong to the kernel and are passed over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cmdline {
    /// `orlop.emergency`: stop before the first service, on the emergency console.
    pub emergency: bool,
    /// `orlop.console=/dev/ttyS0`: where the boot log goes beside the kernel's own console.
    pub verbose: bool,
}

/// Parses `/proc/cmdline`. Pure; never fails, for a machine must boot with any command line.
#[must_use]
pub fn parse_cmdline(text: &str) -> Cmdline {
    let mut cmdline = Cmdline::default();
    for word in text.split_ascii_whitespace() {
        match word {
            "orlop.emergency" | "emergency" => cmdline.emergency = true,
            "orlop.verbose" => cmdline.verbose = true,
            // The kernel hands everything after `--` to init as arguments.
            "--" => break,
            _ => {}
        }
    }
    cmdline
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_are_found_among_the_kernels() {
        let cmdline = parse_cmdline("console=ttyS0 quiet orlop.emergency panic=-1\n");
        assert!(cmdline.emergency);
        assert!(!cmdline.verbose);
    }

    #[test]
    fn what_follows_the_dashes_is_not_ours() {
        assert_eq!(
            parse_cmdline("quiet -- orlop.emergency"),
            Cmdline::default()
        );
    }
}

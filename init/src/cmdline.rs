//! The kernel's command line, what of it is Orlop's (proc_cmdline(5), kernel-parameters).

/// The parameters that PID 1 reads. Unknown ones belong to the kernel and are passed over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cmdline {
    /// `orlop.emergency`: stop before the first service, on the emergency console.
    pub emergency: bool,
    /// `orlop.console=/dev/ttyS0`: where the boot log goes beside the kernel's own console.
    pub verbose: bool,
    /// `roothash=`: the system is on a slot of a disk, this one; or the word that is no root hash.
    pub roothash: Option<Result<RootHash, String>>,
}

/// The root of a slot's tree of hashes, as systemd writes it: 64 hexadecimal digits of a SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootHash(String);

impl RootHash {
    /// `None` when it is something else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_hash = text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_hash.then(|| Self(text.to_ascii_lowercase()))
    }

    /// The digits, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first half of the digits, which is the UUID of the slot's superblock and of its partition.
    #[must_use]
    pub fn uuid(&self) -> &str {
        self.0.get(..32).unwrap_or_default()
    }
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
            _ => {
                if let Some(hash) = word.strip_prefix("roothash=") {
                    let hash = RootHash::parse(hash).ok_or_else(|| hash.to_owned());
                    cmdline.roothash = Some(hash);
                }
            }
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
    fn a_root_hash_is_64_digits() {
        let root = |text: &str| parse_cmdline(text).roothash;
        let digits = "0123456789abcdef".repeat(4);
        let hash = root(&format!("gpt roothash={}", digits.to_uppercase()));
        let hash = hash.unwrap().unwrap();
        assert_eq!(hash.as_str(), digits);
        assert_eq!(hash.uuid(), digits[..32].to_owned());
        assert_eq!(root("quiet"), None);
        for wrong in ["", "0123", &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(
                root(&format!("roothash={wrong}")),
                Some(Err(wrong.to_owned()))
            );
        }
    }

    #[test]
    fn what_follows_the_dashes_is_not_ours() {
        assert_eq!(
            parse_cmdline("quiet -- orlop.emergency"),
            Cmdline::default()
        );
    }
}

//! Packages that only installation scripts need. No script runs here, so that apt is told that they
//! are installed: without them a closure is a third of its size (adduser alone brings Perl).

/// What the builder does itself, or nothing does in a container: users, questions to the
/// administrator, services of another init, a merged `/usr`, the package database.
const STAND_INS: [&str; 12] = [
    "adduser",
    "debconf",
    "dpkg",
    "init-system-helpers",
    "install-info",
    "lsb-base",
    "systemd-standalone-sysusers",
    "systemd-standalone-tmpfiles",
    "sysvinit-utils",
    "ucf",
    "usr-is-merged",
    "usrmerge",
];

/// The dpkg status (deb822(5)) that apt resolves against. What is asked for by name is real.
pub(super) fn status(requested: &[String]) -> String {
    STAND_INS
        .iter()
        .filter(|name| !requested.iter().any(|asked| asked == *name))
        .map(|name| {
            let provides = match *name {
                "debconf" => "Provides: debconf-2.0\n",
                _ => "",
            };
            format!(
                "Package: {name}\nStatus: install ok installed\nVersion: 99:0\n\
                 Architecture: all\n{provides}Description: done by the builder\n\n"
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_not_stood_in_for() {
        let names = |text: &str| text.matches("Package: ").count();
        assert_eq!(names(&status(&[])), STAND_INS.len());
        let text = status(&["dpkg".to_owned()]);
        assert_eq!(names(&text), STAND_INS.len() - 1);
        assert!(!text.contains("Package: dpkg\n"));
    }
}

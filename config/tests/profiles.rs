//! `profiles`: who is started at the boot, and who may require whom.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use orlop_config::{Checked, ServiceName, SourceFile, Sources, check};

/// A machine of `db` and `app`, by the further lines of their manifests.
fn machine(system: &str, db: &str, app: &str) -> Checked {
    let source = |path: &str, text: String| SourceFile {
        path: path.to_owned(),
        text,
    };
    let service = |name: &str, more: &str| {
        let text = format!("image = \"busybox\"\ncommand = [\"/bin/true\"]\n{more}\n");
        let path = format!("services/{name}/service.toml");
        (name.to_owned(), source(&path, text))
    };
    check(&Sources {
        system: Some(source("system.toml", system.to_owned())),
        services: [service("db", db), service("app", app)].into(),
        images: ["busybox".to_owned()].into(),
        ..Sources::default()
    })
}

fn at_boot(checked: &Checked, name: &str) -> bool {
    let name = ServiceName::new(name).unwrap();
    let service = checked.services.get(&name).unwrap();
    service.supervision.start_at_boot
}

const DEBUG: &str = "profiles = [\"debug\", \"dev\"]";

#[test]
fn a_service_of_a_profile_is_started_when_the_machine_lists_it() {
    for (system, starts) in [
        ("", false),
        ("profiles = [\"other\"]", false),
        ("profiles = [\"dev\"]", true),
        ("profiles = [\"x\", \"debug\"]", true),
    ] {
        let checked = machine(system, DEBUG, "");
        assert!(checked.diagnostics.is_empty());
        assert_eq!(at_boot(&checked, "db"), starts, "{system}");
        assert!(at_boot(&checked, "app"));
    }
}

#[test]
fn what_starts_at_the_boot_cannot_require_what_does_not() {
    let checked = machine("", DEBUG, "depends_on = [\"db\"]");
    assert_eq!(
        checked.broken["app"],
        "services/app/service.toml:3:15: depends_on[0]: \"db\" is not started at the boot, as system.toml lists none of its profiles; write profiles = [\"debug\"] there, or required = false here"
    );
    for (system, app) in [
        (DEBUG, "depends_on = [\"db\"]"),
        ("", "depends_on = { db = { required = false } }"),
        // Both are started by hand, the requirement first.
        ("", "depends_on = [\"db\"]\nprofiles = [\"debug\"]"),
    ] {
        let checked = machine(system, DEBUG, app);
        assert!(checked.diagnostics.is_empty(), "{:#?}", checked.diagnostics);
    }
}

#[test]
fn scale_0_stays_what_it_is() {
    let checked = machine(DEBUG, "profiles = [\"debug\"]\nscale = 0", "");
    assert!(!at_boot(&checked, "db"));
}

//! `scale`: what the instances of one manifest are, and who depends on them.

use orlop_config::{Checked, Condition, ServiceName, SourceFile, Sources, check};

fn machine(services: &[(&str, &str)]) -> Checked {
    let mut sources = Sources {
        images: ["nginx".to_owned()].into(),
        ..Sources::default()
    };
    for (name, keys) in services {
        let path = format!("services/{name}/service.toml");
        let text = format!("image = \"nginx\"\ncommand = [\"/x\"]\n{keys}\n");
        let file = SourceFile { path, text };
        sources.services.insert((*name).to_owned(), file);
    }
    check(&sources)
}

fn names<'a>(names: impl IntoIterator<Item = &'a ServiceName>) -> Vec<&'a str> {
    names.into_iter().map(ServiceName::as_str).collect()
}

#[test]
fn an_instance_is_a_service_of_its_own() {
    let checked = machine(&[(
        "web",
        "scale = 2\nvolumes = [\"./site:/srv\"]\nenvironment = { A = \"1\" }",
    )]);
    assert!(checked.diagnostics.is_empty(), "{:?}", checked.diagnostics);
    assert_eq!(names(checked.services.keys()), ["web-1", "web-2"]);
    for (name, service) in &checked.services {
        let replica = service.supervision.replica.as_ref().unwrap();
        assert_eq!((&service.name, replica.count), (name, 2));
        assert_eq!(name.as_str(), format!("web-{}", replica.index));
        assert_eq!(service.hostname, name.as_str());
        assert_eq!(service.folder().as_str(), "web");
        assert_eq!(service.image.as_str(), "nginx");
        let index = replica.index.to_string();
        assert_eq!(service.environment["ORLOP_REPLICA"], index);
        assert_eq!(service.environment["A"], "1");
    }
}

#[test]
fn what_is_written_is_kept() {
    let checked = machine(&[(
        "web",
        "scale = 2\nhostname = \"www\"\nenvironment = { ORLOP_REPLICA = \"x\" }",
    )]);
    for service in checked.services.values() {
        assert_eq!(service.hostname, "www");
        assert_eq!(service.environment["ORLOP_REPLICA"], "x");
    }
}

#[test]
fn one_is_the_service_itself() {
    let checked = machine(&[("web", "scale = 1")]);
    assert_eq!(names(checked.services.keys()), ["web"]);
    let web = checked.services.values().next().unwrap();
    assert_eq!(web.supervision.replica, None);
    assert!(web.supervision.start_at_boot);
}

#[test]
fn who_depends_on_it_depends_on_each() {
    let checked = machine(&[
        ("web", "scale = 2\nhealthcheck = { tcp = 80 }"),
        (
            "proxy",
            "scale = 2\nbefore = [\"tail\"]\ndepends_on = { web = { condition = \"service_healthy\" } }",
        ),
        ("tail", "after = [\"web\"]"),
    ]);
    for name in ["proxy-1", "proxy-2"] {
        let proxy = &checked.services[&ServiceName::new(name).unwrap()];
        assert_eq!(names(proxy.depends_on.keys()), ["web-1", "web-2"]);
        let mut edges = proxy.depends_on.values();
        assert!(edges.all(|edge| edge.condition == Condition::Healthy));
        assert_eq!(names(&proxy.supervision.before), ["tail"]);
    }
    let tail = &checked.services[&ServiceName::new("tail").unwrap()];
    assert_eq!(names(&tail.supervision.after), ["web-1", "web-2"]);
}

#[test]
fn nobody_waits_for_one_that_is_not_started() {
    let checked = machine(&[
        ("cache", "scale = 0"),
        ("api", "depends_on = [\"cache\"]"),
        ("report", "schedule = \"@daily\""),
    ]);
    assert_eq!(names(checked.services.keys()), ["api", "cache", "report"]);
    let of = |name| &checked.services[&ServiceName::new(name).unwrap()];
    assert!(of("api").depends_on.is_empty());
    assert_eq!(names(&of("api").supervision.after), ["cache"]);
    assert!(!of("cache").supervision.start_at_boot);
    assert!(!of("report").supervision.start_at_boot);
}

#[test]
fn a_broken_one_breaks_who_requires_it() {
    let checked = machine(&[
        ("web", "scale = 2\nprots = []"),
        ("proxy", "depends_on = [\"web\"]"),
        (
            "tail",
            "depends_on = { web = { required = false } }\nafter = [\"web\"]",
        ),
    ]);
    assert_eq!(names(checked.services.keys()), ["tail"]);
    assert_eq!(
        checked.broken["proxy"],
        "depends on \"web\", which is broken"
    );
}

//! The text of a resolv.conf(5). Pure.

use std::net::Ipv4Addr;

use orlop_config::Resolver;

/// What a service with these keys reads, while the machine's resolvers are those.
pub(super) fn text(own: &Resolver, machines: &[Ipv4Addr]) -> String {
    let resolvers = match own.dns.as_slice() {
        [] => machines,
        own => own,
    };
    let mut text = String::new();
    for resolver in resolvers {
        text.push_str(&format!("nameserver {resolver}\n"));
    }
    for (word, values) in [("search", &own.search), ("options", &own.options)] {
        if !values.is_empty() {
            text.push_str(&format!("{word} {}\n", values.join(" ")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINES: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 2, 3), Ipv4Addr::new(10, 0, 2, 4)];

    #[test]
    fn the_machines_resolvers_unless_the_service_has_its_own() {
        let own = Resolver::default();
        let both = "nameserver 10.0.2.3\nnameserver 10.0.2.4\n";
        assert_eq!(text(&own, &MACHINES), both);
        assert_eq!(text(&own, &[]), "");
        let dns = vec![Ipv4Addr::new(192, 0, 2, 53)];
        let own = Resolver { dns, ..own };
        assert_eq!(text(&own, &MACHINES), "nameserver 192.0.2.53\n");
    }

    #[test]
    fn search_and_options_go_with_either() {
        let own = Resolver {
            search: vec!["example.org".to_owned(), "corp".to_owned()],
            options: vec!["ndots:2".to_owned(), "rotate".to_owned()],
            ..Resolver::default()
        };
        let text = text(&own, &MACHINES[..1]);
        assert_eq!(
            text,
            "nameserver 10.0.2.3\nsearch example.org corp\noptions ndots:2 rotate\n"
        );
    }
}

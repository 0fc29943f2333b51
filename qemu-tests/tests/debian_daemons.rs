//! Debian's own daemons say when they are ready, unchanged: redis, postgresql and caddy by
//! sd_notify(3), nginx and chrony by a health check. All packages are those of bookworm.

use anyhow::Result;
use orlop_qemu_tests::{MachineBuilder, Vm};

const REDIS: &str = r#"
command = ["/usr/bin/redis-server", "--supervised", "systemd", "--save", ""]
user = "redis"
readiness = "notify"
[build]
debian = ["redis-server"]
users = { redis = { uid = 100 } }
"#;

const POSTGRESQL: &str = r#"
command = ["/bin/sh", "-ec", '''
bin=/usr/lib/postgresql/15/bin
$bin/initdb --no-sync --auth=trust -D /data/db
exec $bin/postgres -D /data/db -c unix_socket_directories=/tmp -c listen_addresses=*
''']
user = "postgres"
readiness = "notify"
stop_signal = "SIGINT"
tmpfs = ["/data:size=128m,mode=1777"]
environment = { LC_ALL = "C" }
[build]
debian = ["coreutils", "dash", "postgresql-15"]
users = { postgres = { uid = 100 } }
directories = { "/data" = "root:root 0755" }
"#;

const CADDY: &str = r#"
command = ["/usr/bin/caddy", "run", "--config", "/etc/caddy/Caddyfile"]
readiness = "notify"
environment = { XDG_DATA_HOME = "/tmp", XDG_CONFIG_HOME = "/tmp" }
[build]
debian = ["caddy"]
files = { "Caddyfile" = "/etc/caddy/Caddyfile" }
"#;

const CADDYFILE: &str = "{\n admin off\n auto_https off\n}\n:80 {\n respond \"hi\"\n}\n";

/// As in the catalogue, and with a health check.
const NGINX: &str = r#"
command = ["/usr/sbin/nginx", "-e", "stderr", "-c", "/etc/nginx.conf"]
user = "www-data"
stop_signal = "SIGQUIT"
readiness = "healthy"
[healthcheck]
http = ":80/"
interval = "2s"
start_period = "100s"
start_interval = "1s"
[build]
debian = ["nginx-light"]
files = { "nginx.conf" = "/etc/nginx.conf" }
"#;

const NGINX_CONF: &str = "daemon off;\nerror_log stderr;\npid /tmp/nginx.pid;\nevents {}\nhttp {\n\
     access_log off;\nclient_body_temp_path /tmp/b;\nproxy_temp_path /tmp/p;\n\
     fastcgi_temp_path /tmp/f;\nuwsgi_temp_path /tmp/u;\nscgi_temp_path /tmp/s;\n\
     server { listen 80; location / { return 200 hi; } }\n}\n";

/// Without the right to set the clock (`-x`): its own state is what is checked.
const CHRONY: &str = r#"
command = ["/usr/sbin/chronyd", "-d", "-x", "-U", "-u", "chrony", "-f", "/etc/chrony.conf"]
user = "chrony"
readiness = "healthy"
[healthcheck]
test = ["CMD", "/usr/bin/chronyc", "-h", "127.0.0.1", "tracking"]
interval = "2s"
start_period = "100s"
start_interval = "1s"
[build]
debian = ["chrony"]
users = { chrony = { uid = 100 } }
files = { "chrony.conf" = "/etc/chrony.conf" }
"#;

const CHRONY_CONF: &str =
    "local stratum 10\npidfile /run/chronyd.pid\nbindcmdaddress 127.0.0.1\ncmdallow 127.0.0.1\n";

fn boot() -> Result<Vm> {
    MachineBuilder::with(&["log", "gateway"])?
        .service("redis", REDIS)
        .service("postgresql", POSTGRESQL)
        .service("caddy", CADDY)
        .file("services/caddy/Caddyfile", CADDYFILE)
        .service("nginx", NGINX)
        .file("services/nginx/nginx.conf", NGINX_CONF)
        .service("chrony", CHRONY)
        .file("services/chrony/chrony.conf", CHRONY_CONF)
        .arguments(&["--memory", "768M"])
        .boot()
}

#[test]
fn debians_daemons_are_up_when_they_are_ready() {
    let mut vm = boot().unwrap();
    for (name, how) in [
        ("redis", "ready"),
        ("caddy", "ready"),
        ("postgresql", "ready"),
        ("nginx", "healthy"),
        ("chrony", "healthy"),
    ] {
        let up = vm.wait_service(name, "up").unwrap();
        assert_eq!(up["cause"], how, "{name}");
        assert_eq!(up["restarts"], 0, "{name}");
    }
    // What they say of themselves comes through.
    let redis = vm.wait_ps("redis", |info| info["status_text"].is_string());
    assert_eq!(redis.unwrap()["status_text"], "Ready to accept connections");
    for name in ["nginx", "chrony"] {
        let healthy = |info: &serde_json::Value| info["health"]["verdict"] == "healthy";
        vm.wait_ps(name, healthy).unwrap();
    }
    let table = vm.orlop(&["ps"]).unwrap();
    assert!(table.contains(" (healthy)"), "{table}");
    // All of them go when they are asked to: nobody is killed.
    vm.orlop(&["poweroff"]).unwrap();
    assert_eq!(vm.wait_exit().unwrap(), 0);
    for event in vm.events() {
        let cause = event["cause"].as_str().unwrap_or_default();
        assert!(!cause.contains("killed after"), "{event}");
    }
}

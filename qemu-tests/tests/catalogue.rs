//! The catalogue's services, added by `orlop add` and used by their real clients; what they keep
//! outlives the machine.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use orlop_qemu_tests::{MachineBuilder, Vm, curl, psql, skopeo};
use serde_json::{Value, json};

/// How each says that it is up.
const ADDED: [(&str, &str); 4] = [
    ("caddy", "ready"),
    ("postgres", "ready"),
    ("prometheus", "healthy"),
    ("registry", "healthy"),
];

/// The one file of the image that is pushed.
const HELLO: &str = "hello from a layer\n";

fn boot() -> Result<Vm> {
    MachineBuilder::with(&["dhcp", "gateway", "log"])?
        .catalogue(&ADDED.map(|(name, _)| name))?
        .arguments(&["--memory", "1G"])
        .boot()
}

/// Until all of them are up and their ports lead somewhere, postgres after so many restarts.
fn wait_all(vm: &Vm, restarts: u64) {
    for (name, how) in ADDED {
        let restarts = if name == "postgres" { restarts } else { 0 };
        let is_it = |event: &Value| {
            event["service"] == name && event["state"] == "up" && event["restarts"] == restarts
        };
        let up = vm.wait_event(&format!("{name} up"), is_it).unwrap();
        assert_eq!(up["cause"], how, "{up}");
    }
    vm.wait_address_after(0).unwrap();
}

#[test]
fn what_orlop_add_adds_works_and_keeps_its_data() {
    let mut vm = boot().unwrap();
    // Cut off while the cluster is being made, it begins anew.
    vm.log_until("postgres", "creating directory").unwrap();
    vm.orlop(&["kill", "-s", "KILL", "postgres"]).unwrap();
    wait_all(&vm, 1);
    for (name, _) in ADDED {
        let info = vm.status(name).unwrap();
        assert_eq!(info["isolation"], "restricted", "{info}");
    }

    let page = curl(vm.forward(8088).unwrap(), "/").unwrap();
    assert!(page.contains("Served by Caddy"), "{page}");
    vm.log_until("caddy", "handled request").unwrap();

    let password = postgres_password(&vm).unwrap();
    let made = "CREATE TABLE boats (name text); INSERT INTO boats VALUES ('Pequod')";
    psql(vm.forward(5432).unwrap(), &password, made).unwrap();
    let wrong = psql(vm.forward(5432).unwrap(), "guessed", "SELECT 1").unwrap_err();
    assert!(
        wrong.to_string().contains("password authentication failed"),
        "{wrong:#}"
    );

    let here = tempfile::tempdir().unwrap();
    let image = here.path().join("image");
    make_image(&image).unwrap();
    let name = format!(
        "docker://127.0.0.1:{}/boats/dinghy:1",
        vm.forward(5000).unwrap()
    );
    let from = format!("oci:{}", image.display());
    skopeo(&["copy", "--dest-tls-verify=false", &from, &name]).unwrap();

    // It has scraped itself, and says so.
    let scraped = r"/api/v1/query?query=up%7Bjob%3D%22prometheus%22%7D";
    vm.wait_answer(9090, scraped, |answer| {
        answer["data"]["result"][0]["value"][1] == "1"
    })
    .unwrap();

    vm.orlop(&["poweroff"]).unwrap();
    assert_eq!(vm.wait_exit().unwrap(), 0);
    for event in vm.events() {
        let cause = event["cause"].as_str().unwrap_or_default();
        assert!(!cause.contains("killed after"), "{event}");
    }
    vm.run_again().unwrap();
    wait_all(&vm, 0);

    let port = vm.forward(5432).unwrap();
    assert_eq!(
        psql(port, &password, "SELECT name FROM boats").unwrap(),
        "Pequod"
    );
    let name = format!(
        "docker://127.0.0.1:{}/boats/dinghy:1",
        vm.forward(5000).unwrap()
    );
    let back = here.path().join("back");
    let to = format!("dir:{}", back.display());
    skopeo(&["copy", "--src-tls-verify=false", &name, &to]).unwrap();
    assert_eq!(first_file(&back).unwrap(), HELLO);
}

/// What is in the only layer of an image that skopeo copied to a folder; the push has compressed it.
fn first_file(image: &Path) -> Result<String> {
    let manifest = fs::read(image.join("manifest.json"))?;
    let manifest: Value = serde_json::from_slice(&manifest)?;
    let digest = manifest["layers"][0]["digest"]
        .as_str()
        .context("a layer")?;
    let mut unpack = Command::new("tar");
    unpack
        .arg("-xOzf")
        .arg(image.join(digest.trim_start_matches("sha256:")));
    Ok(String::from_utf8(unpack.output()?.stdout)?)
}

/// What the first start says of it.
fn postgres_password(vm: &Vm) -> Result<String> {
    let said = "The password of the user postgres is ";
    vm.log_until("postgres", "database system is ready")?;
    let log = vm.orlop(&["logs", "postgres"])?;
    let line = log.lines().rev().find_map(|line| line.split_once(said));
    let (_, password) = line.with_context(|| format!("no password in {log}"))?;
    Ok(password.trim().to_owned())
}

/// An image of one file, in the layout of the OCI image specification.
fn make_image(folder: &Path) -> Result<()> {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    fs::write(folder.join("hello"), HELLO)?;
    let tar = folder.join("layer.tar");
    let mut pack = Command::new("tar");
    let packed = pack
        .args(["-cf"])
        .arg(&tar)
        .arg("-C")
        .arg(folder)
        .arg("hello")
        .status()?;
    ensure!(packed.success(), "tar: {packed}");
    let mut layer = blob(&blobs, &fs::read(&tar)?)?;
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    });
    let config = described(&blobs, &config, "config")?;
    layer["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar");
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config, "layers": [layer],
    });
    let manifest = described(&blobs, &manifest, "manifest")?;
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    fs::write(folder.join("index.json"), index.to_string())?;
    let version = r#"{"imageLayoutVersion":"1.0.0"}"#;
    Ok(fs::write(folder.join("oci-layout"), version)?)
}

/// A JSON blob and its descriptor.
fn described(blobs: &Path, value: &Value, kind: &str) -> Result<Value> {
    let mut descriptor = blob(blobs, value.to_string().as_bytes())?;
    descriptor["mediaType"] = json!(format!("application/vnd.oci.image.{kind}.v1+json"));
    Ok(descriptor)
}

/// Puts bytes among the blobs, by their digest.
fn blob(blobs: &Path, bytes: &[u8]) -> Result<Value> {
    let begun = blobs.join("begun");
    fs::write(&begun, bytes)?;
    let sum = Command::new("sha256sum").arg(&begun).output()?;
    let sum = String::from_utf8(sum.stdout)?;
    let hex = sum.split(' ').next().context("a sum")?;
    fs::rename(&begun, blobs.join(hex))?;
    Ok(json!({"digest": format!("sha256:{hex}"), "size": bytes.len()}))
}

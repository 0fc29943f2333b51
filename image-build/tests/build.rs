//! Builds a real small machine from the Debian archive that the host's apt knows.
//!
//! The cache is kept in the target folder between runs: the first one fetches a kernel.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use orlop_image_build::{BuildOptions, Built, DiskFormat, DiskReport, build};

/// A machine's folder and a runtime of stand-ins: any static program will do.
struct Machine {
    folder: tempfile::TempDir,
}

#[expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking, here as in its body"
)]
impl Machine {
    fn new(service: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let machine = Self { folder };
        machine.write("m/system.toml", "hostname = \"small\"\n");
        machine.write("m/services/box/service.toml", service);
        machine.write("m/services/box/page/index.html", "hello\n");
        for name in ["init", "services"] {
            let to = machine.path("runtime").join(name);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy("/bin/busybox", to).expect("package busybox-static");
        }
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn options(&self) -> BuildOptions {
        BuildOptions {
            runtime: Some(self.path("runtime")),
            cache: Some(cache()),
            quiet: true,
            ..BuildOptions::default()
        }
    }

    fn build(&self) -> Built {
        build(&self.path("m"), &self.options()).unwrap()
    }

    fn error(&self) -> String {
        format!("{:#}", build(&self.path("m"), &self.options()).unwrap_err())
    }
}

fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("orlop-cache")
}

const BOX: &str = r#"
command = ["/bin/sleep", "inf"]
user = "keeper"
volumes = ["./page:/srv/page:ro"]
tmpfs = ["/scratch"]
[build]
debian = ["busybox-static"]
programs = ["log"]
files = { "page/index.html" = "/usr/share/greeting" }
users = { keeper = { uid = 100, home = "/home/keeper" } }
directories = { "/home/keeper" = "keeper:keeper 0700" }
"#;

/// What fsck.erofs of erofs-utils takes out of the image.
#[expect(clippy::expect_used, reason = "a test fails by panicking")]
fn extract(system: &Path, to: &Path) {
    let status = Command::new("fsck.erofs")
        .arg(format!("--extract={}", to.display()))
        .arg(system)
        .status()
        .expect("run fsck.erofs (package erofs-utils)");
    assert!(status.success());
}

#[test]
fn an_image_holds_packages_programs_files_users_and_targets() {
    let machine = Machine::new(BOX);
    let built = machine.build();
    let out = machine.path("out");
    extract(&built.system, &out);
    let image = out.join("images/box");
    let text = |name: &str| fs::read_to_string(image.join(name)).unwrap();

    assert!(image.join("usr/bin/busybox").is_file());
    assert_eq!(
        fs::read_link(image.join("bin")).unwrap(),
        Path::new("usr/bin")
    );
    assert!(image.join("usr/bin/log").is_file());
    assert_eq!(
        fs::read_link(image.join("usr/bin/sh")).unwrap(),
        Path::new("busybox")
    );
    assert_eq!(text("usr/share/greeting"), "hello\n");
    let passwd = text("etc/passwd");
    assert!(passwd.contains("\nwww-data:*:33:33:"), "{passwd}");
    assert!(
        passwd.ends_with("\nkeeper:x:100:100::/home/keeper:/usr/sbin/nologin\n"),
        "{passwd}"
    );
    for target in [
        "srv/page",
        "scratch",
        "home/keeper",
        "proc",
        "sys",
        "dev",
        "run",
        "tmp",
    ] {
        assert!(image.join(target).is_dir(), "{target}");
    }
    for target in ["etc/hostname", "etc/resolv.conf"] {
        assert_eq!(text(target), "", "{target}");
    }
    assert_eq!(text("etc/host.conf"), "multi on\n");
    assert!(text("etc/hosts").starts_with("127.0.0.1 localhost\n"));
    assert!(!image.join("usr/share/man").exists());
    assert!(
        image
            .join("usr/share/doc/busybox-static/copyright")
            .is_file()
    );

    assert_eq!(
        fs::read_to_string(out.join("etc/orlop/services/box/service.toml")).unwrap(),
        BOX
    );
    assert!(out.join("etc/orlop/services/box/page/index.html").is_file());
    assert!(out.join("usr/lib/orlop/services").is_file());
    for name in ["proc", "sys", "dev", "run", "state"] {
        assert_eq!(fs::read_dir(out.join(name)).unwrap().count(), 0, "{name}");
    }
    let boot: serde_json::Value =
        serde_json::from_slice(&fs::read(out.join("etc/orlop/boot.json")).unwrap()).unwrap();
    let batch = |name: &str| boot["modules"][name].as_array().unwrap().clone();
    for name in [batch("machine"), batch("network")].concat() {
        assert!(
            out.join(format!("lib/modules/{}.ko", name.as_str().unwrap()))
                .is_file(),
            "{name}"
        );
    }
    assert!(batch("network").contains(&"veth".into()));
    assert!(batch("overlay").is_empty());

    // Drivers for what nobody foresees, each with all that it needs.
    let modules = out.join("lib/modules");
    let index = |name: &str| fs::read_to_string(modules.join(name)).unwrap();
    assert!(index("modules.alias").contains(" vmxnet3\n"));
    let boot: Vec<_> = batch("boot")
        .iter()
        .map(|n| format!("{}.ko", n.as_str().unwrap()))
        .collect();
    for file in index("modules.dep").replace(':', "").split_whitespace() {
        assert!(
            modules.join(file).is_file() || boot.contains(&file.to_owned()),
            "{file}"
        );
    }
}

#[test]
fn the_initramfs_holds_what_finding_the_system_takes() {
    let machine = Machine::new(BOX);
    let built = machine.build();
    assert!(fs::metadata(&built.initramfs).unwrap().len() <= 5 << 20);
    let output = Command::new("sh")
        .arg("-c")
        .arg(r#"cpio --list --quiet < "$0""#)
        .arg(&built.initramfs)
        .output()
        .expect("run cpio");
    let listing = String::from_utf8(output.stdout).unwrap();
    for name in [
        "init",
        "busybox",
        "boot.json",
        "dev/console",
        "modules/erofs.ko",
        "modules/virtio_blk.ko",
    ] {
        assert!(
            listing.lines().any(|line| line == name),
            "{name} in\n{listing}"
        );
    }
    assert!(
        !listing.contains("loop.ko") && !listing.contains("veth.ko"),
        "{listing}"
    );
}

#[test]
fn a_second_build_makes_the_same_bytes_without_apt() {
    let machine = Machine::new(BOX);
    let first = machine.build();
    assert!(!first.up_to_date);
    let read = |built: &Built| {
        [&built.vmlinuz, &built.initramfs, &built.system].map(|path| fs::read(path).unwrap())
    };
    let bytes = read(&first);
    assert!(machine.build().up_to_date);

    // Another folder, and a cache that has the packages but not apt's lists: the lock is enough.
    let other = Machine::new(BOX);
    let cache = other.path("cache");
    fs::create_dir_all(&cache).unwrap();
    for name in ["unpacked", "packages"] {
        std::os::unix::fs::symlink(self::cache().join(name), cache.join(name)).unwrap();
    }
    fs::copy(machine.path("m/orlop.lock"), other.path("m/orlop.lock")).unwrap();
    let options = BuildOptions {
        cache: Some(cache.clone()),
        ..other.options()
    };
    let second = build(&other.path("m"), &options).unwrap();
    assert!(!second.up_to_date);
    assert!(read(&second) == bytes);
    assert!(!cache.join("apt").exists(), "apt was asked");
}

/// What `program` prints; it must end well.
#[expect(clippy::panic, reason = "a test fails by panicking")]
fn said(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    let command = command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let output = command.args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("run {program}: {error}"));
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_disk_is_what_everybody_elses_tools_take_for_one() {
    let machine = Machine::new(BOX);
    let options = |formats: &[DiskFormat]| BuildOptions {
        formats: formats.to_vec(),
        ..machine.options()
    };
    let of = |formats: &[DiskFormat]| build(&machine.path("m"), &options(formats)).unwrap();
    let built = of(&[DiskFormat::Raw, DiskFormat::Qcow2]);
    let [raw, qcow2] = built.disks.as_slice() else {
        panic!("two disks: {built:?}");
    };
    let disk = raw.to_str().unwrap();
    assert!(said("sgdisk", &["--verify", disk]).contains("No problems found"));
    said("qemu-img", &["check", qcow2.to_str().unwrap()]);
    said("qemu-img", &["compare", disk, qcow2.to_str().unwrap()]);

    // Each partition as a file of its own.
    let mut bytes = fs::read(raw).unwrap();
    let field = |number: usize, name: &str| {
        let text = said("sgdisk", &[&format!("--info={number}"), disk]);
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let value = line.and_then(|line| line.split_whitespace().next());
        value
            .unwrap_or_else(|| panic!("{name} in {text}"))
            .to_owned()
    };
    let bytes_of = |number: usize, name: &str| field(number, name).parse::<usize>().unwrap() * 512;
    let offset = |number: usize| bytes_of(number, "First sector: ");
    let taken_out = |number: usize| {
        let end = offset(number) + bytes_of(number, "Partition size: ");
        let path = machine.path(&format!("partition{number}"));
        fs::write(&path, &bytes[offset(number)..end]).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let esp = taken_out(1);
    said("fsck.vfat", &["-n", &esp]);
    let slot = taken_out(2);
    let (system, report) = (
        fs::read(&built.system).unwrap(),
        DiskReport::load(&raw.with_file_name("")),
    );
    let hash = report.unwrap().root_hash;
    let behind = format!("--hash-offset={}", system.len());
    said("veritysetup", &["verify", &slot, &slot, &hash, &behind]);
    let uuid = field(2, "Partition unique GUID: ")
        .replace('-', "")
        .to_lowercase();
    assert_eq!(uuid, hash[..32]);
    assert_eq!(field(4, "Partition name: "), "'orlop-state'");
    let state = taken_out(4);
    said("e2fsck", &["-fn", &state]);

    // UEFI and a BIOS are given the same kernel, initramfs and command line.
    let read = |name: &str| {
        let to = machine.path("read");
        said(
            "mcopy",
            &[
                "-n",
                "-o",
                "-i",
                &esp,
                &format!("::/{name}"),
                to.to_str().unwrap(),
            ],
        );
        fs::read(to).unwrap()
    };
    let uki = machine.path("uki.efi");
    fs::write(&uki, read("EFI/BOOT/BOOTX64.EFI")).unwrap();
    let section = |name: &str| {
        let dump = format!("{name}={}", machine.path("section").display());
        let copy = machine.path("copy").display().to_string();
        said(
            "objcopy",
            &["--dump-section", &dump, uki.to_str().unwrap(), &copy],
        );
        fs::read(machine.path("section")).unwrap()
    };
    assert!(section(".linux") == read("orlop/vmlinuz"));
    assert!(section(".linux") == fs::read(&built.vmlinuz).unwrap());
    assert!(section(".initrd") == read("orlop/initramfs"));
    let cmdline = String::from_utf8(section(".cmdline")).unwrap();
    assert!(
        cmdline.contains(&format!("roothash={hash} gpt ")),
        "{cmdline}"
    );
    let config = String::from_utf8(read("syslinux/syslinux.cfg")).unwrap();
    assert!(
        config.contains(&format!("  APPEND {cmdline}\n")),
        "{config}"
    );
    assert!(
        read("orlop/build.json") == fs::read(built.system.with_file_name("build.json")).unwrap()
    );

    // A machine ran from the disk: that one is neither taken for what was built nor made into others.
    let at = offset(4) + (8 << 20);
    assert_eq!(bytes[at], 0, "nothing is there in an empty ext4");
    let used = fs::File::options().write(true).open(raw).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&used, b"identity", at as u64).unwrap();
    used.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(9))
        .unwrap();
    let vhd = of(&[DiskFormat::Vhd]).disks.remove(0);
    let unpacked = machine.path("unpacked").display().to_string();
    let vhd = vhd.to_str().unwrap();
    said(
        "qemu-img",
        &["convert", "-f", "vpc", "-O", "raw", vhd, &unpacked],
    );
    assert!(fs::read(&unpacked).unwrap() == bytes);
    bytes[at..at + 8].copy_from_slice(b"identity");
    assert!(
        fs::read(raw).unwrap() == bytes,
        "the used disk is left alone"
    );
    // Unless it is asked for: the same bytes come out once more.
    of(&[DiskFormat::Raw]);
    bytes[at..at + 8].fill(0);
    assert!(fs::read(raw).unwrap() == bytes);
}

#[test]
fn a_pin_that_has_left_the_archive_is_named() {
    let machine = Machine::new(BOX);
    machine.build();
    let lock = machine.path("m/orlop.lock");
    let text = fs::read_to_string(&lock).unwrap();
    let pin = text
        .split("[[image.box.package]]\n")
        .find(|pin| pin.starts_with("name = \"busybox-static\""))
        .unwrap();
    let gone = pin
        .lines()
        .map(|line| match line.split_once(" = ") {
            Some(("version", _)) => "version = \"1:0.60-1\"\n".to_owned(),
            Some(("sha256", _)) => format!("sha256 = \"{}\"\n", "0".repeat(64)),
            _ => format!("{line}\n"),
        })
        .collect::<String>();
    fs::write(&lock, text.replace(pin, &gone)).unwrap();
    let error = machine.error();
    assert!(
        error.contains(
            "in neither the archive nor the cache any more: busybox-static 1:0.60-1; \
             `orlop build --update` takes what the archive has now"
        ),
        "{error}"
    );
    let options = BuildOptions {
        update: true,
        ..machine.options()
    };
    build(&machine.path("m"), &options).unwrap();
    assert_eq!(fs::read_to_string(&lock).unwrap(), text);
}

#[test]
fn an_unknown_package_and_a_missing_file_are_named() {
    let machine = Machine::new("command = \"x\"\nbuild = { debian = [\"no-such-package\"] }\n");
    let error = machine.error();
    assert!(
        error.contains("no-such-package in bookworm: apt-get: Unable to locate package"),
        "{error}"
    );
    let machine = Machine::new("command = \"x\"\nbuild = { files = { \"gone.conf\" = \"/x\" } }\n");
    let error = machine.error();
    assert!(
        error.ends_with("the manifests have errors; nothing was built"),
        "{error}"
    );
}

#[test]
fn manifests_with_errors_build_only_when_asked_to_keep_going() {
    let machine = Machine::new(BOX);
    machine.write("m/services/bad/service.toml", "porst = 1\n");
    assert!(
        machine
            .error()
            .ends_with("the manifests have errors; nothing was built")
    );
    let options = BuildOptions {
        keep_going: true,
        ..machine.options()
    };
    let built = build(&machine.path("m"), &options).unwrap();
    let out = machine.path("out");
    extract(&built.system, &out);
    assert!(out.join("images/box").is_dir() && !out.join("images/bad").exists());
    assert!(out.join("etc/orlop/services/bad/service.toml").is_file());
}

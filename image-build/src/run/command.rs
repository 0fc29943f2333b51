//! QEMU's arguments, from what was decided.

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use super::DiskBus;
use super::firmware::UefiFiles;
use super::forward::Forward;
use crate::cmdline::is_on_virtio;

/// Everything that QEMU's command line is made of.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) accel: &'static str,
    pub(super) cpu: String,
    pub(super) cpus: u32,
    pub(super) memory_mib: u64,
    /// The kernel's command line, which of a disk image is in the image.
    pub(super) cmdline: String,
    pub(super) boot: Boot,
    /// None for no network device.
    pub(super) forwards: Option<Vec<Forward>>,
    pub(super) console: Console,
    /// Where QEMU copies what the console says.
    pub(super) transcript: PathBuf,
    /// Ends of socket pairs that QEMU inherits.
    pub(super) fds: Fds,
    pub(super) extra: Vec<String>,
}

/// What the machine is started from.
#[derive(Debug, Clone)]
pub(super) enum Boot {
    /// Kernel and initramfs, by QEMU itself.
    Kernel {
        kernel: PathBuf,
        initramfs: PathBuf,
        /// None when the initramfs carries the system.
        system: Option<PathBuf>,
        state: Option<PathBuf>,
    },
    /// A disk image, by firmware.
    Disk {
        image: PathBuf,
        /// As QEMU names it.
        format: &'static str,
        bus: DiskBus,
        /// What the machine writes is thrown away when it ends.
        snapshot: bool,
        /// None for QEMU's own BIOS.
        uefi: Option<UefiFiles>,
    },
}

/// Where the console is.
#[derive(Debug, Clone)]
pub(super) enum Console {
    /// QEMU's stdin and stdout, Ctrl-A X leaves.
    Terminal,
    /// A socket that one client at a time may connect to; and QEMU's monitor on another one.
    Sockets { console: PathBuf, monitor: PathBuf },
}

/// File descriptors by their numbers in QEMU.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fds {
    pub(super) qmp: RawFd,
    pub(super) events: RawFd,
    pub(super) control: RawFd,
}

/// The arguments after the program's name.
pub(super) fn arguments(plan: &Plan) -> Vec<OsString> {
    let mut args = Arguments(Vec::new());
    args.pair("-name", &format!("orlop {},process=orlop-qemu", plan.name));
    args.word("-nodefaults");
    args.word("-no-user-config");
    args.pair("-display", "none");
    args.pair("-machine", "q35");
    args.pair("-accel", plan.accel);
    args.pair("-cpu", &plan.cpu);
    args.pair("-smp", &plan.cpus.to_string());
    args.pair("-m", &format!("{}M", plan.memory_mib));
    boot(&mut args, plan);
    args.pair("-device", "virtio-rng-pci");
    network(&mut args, plan.forwards.as_deref());
    ports(&mut args, plan.fds);
    console(&mut args, plan);
    args.0.extend(plan.extra.iter().map(OsString::from));
    args.0
}

fn boot(args: &mut Arguments, plan: &Plan) {
    match &plan.boot {
        Boot::Kernel {
            kernel,
            initramfs,
            system,
            state,
        } => {
            args.file("-kernel", kernel);
            args.file("-initrd", initramfs);
            args.pair("-append", &plan.cmdline);
            disks(args, system.as_deref(), state.as_deref());
        }
        Boot::Disk {
            image,
            format,
            bus,
            snapshot,
            uefi,
        } => {
            if let Some(files) = uefi {
                let head = "if=pflash,unit=0,format=raw,readonly=on,file=";
                args.path_option("-drive", head, &files.code, "");
                let head = "if=pflash,unit=1,format=raw,file=";
                args.path_option("-drive", head, &files.vars, "");
            }
            let snapshot = if *snapshot { ",snapshot=on" } else { "" };
            let head = format!(
                "if=none,format={format},id=disk,cache=writeback,discard=unmap{snapshot},file="
            );
            args.path_option("-drive", &head, image, "");
            for device in bus_devices(*bus) {
                args.pair("-device", device);
            }
        }
    }
}

/// The disk `disk` and what it hangs on; firmware looks there first.
fn bus_devices(bus: DiskBus) -> &'static [&'static str] {
    match bus {
        DiskBus::Virtio => &["virtio-blk-pci,drive=disk,bootindex=0"],
        DiskBus::Nvme => &["nvme,drive=disk,serial=orlop-disk,bootindex=0"],
        // The machine has an AHCI controller of its own.
        DiskBus::Ahci => &["ide-hd,drive=disk,bus=ide.0,bootindex=0"],
        DiskBus::Scsi => &[
            "virtio-scsi-pci,id=scsi",
            "scsi-hd,drive=disk,bus=scsi.0,bootindex=0",
        ],
    }
}

fn disks(args: &mut Arguments, system: Option<&Path>, state: Option<&Path>) {
    let disks = [
        (system, "system", "readonly=on"),
        // What the guest flushes is in the workstation's page cache: it survives QEMU, and
        // `make test` on a slow disk does not wait for it.
        (state, "state", "cache=writeback,discard=unmap"),
    ];
    for (path, id, options) in disks {
        let Some(path) = path else { continue };
        let head = format!("if=none,format=raw,id={id},{options},file=");
        args.path_option("-drive", &head, path, "");
        args.pair(
            "-device",
            &format!("virtio-blk-pci,drive={id},serial=orlop-{id}"),
        );
    }
}

fn network(args: &mut Arguments, forwards: Option<&[Forward]>) {
    let Some(forwards) = forwards else { return };
    let mut netdev = "user,id=net0".to_owned();
    for forward in forwards {
        netdev.push(',');
        netdev.push_str(&forward.hostfwd());
    }
    args.pair("-netdev", &netdev);
    // Without its boot firmware, which would only cost time.
    args.pair("-device", "virtio-net-pci,netdev=net0,romfile=");
}

fn ports(args: &mut Arguments, fds: Fds) {
    args.pair("-chardev", &format!("socket,id=qmp,fd={}", fds.qmp));
    args.pair("-mon", "chardev=qmp,mode=control");
    args.pair("-device", "virtio-serial-pci");
    for (id, fd) in [("events", fds.events), ("control", fds.control)] {
        args.pair("-chardev", &format!("socket,id={id},fd={fd}"));
        args.pair(
            "-device",
            &format!("virtserialport,id={id},chardev={id},name=orlop.{id}"),
        );
    }
}

fn console(args: &mut Arguments, plan: &Plan) {
    match &plan.console {
        Console::Terminal => {
            let head = "stdio,id=console,mux=on,signal=off,logfile=";
            args.path_option("-chardev", head, &plan.transcript, "");
            args.pair("-mon", "chardev=console,mode=readline");
        }
        Console::Sockets { console, monitor } => {
            let mut value = OsString::from("socket,id=console,server=on,wait=off,path=");
            value.push(escaped(console));
            value.push(",logfile=");
            value.push(escaped(&plan.transcript));
            args.0.extend(["-chardev".into(), value]);
            let head = "socket,id=monitor,server=on,wait=off,path=";
            args.path_option("-chardev", head, monitor, "");
            args.pair("-mon", "chardev=monitor,mode=control");
        }
    }
    if is_on_virtio(&plan.cmdline) {
        args.pair("-device", "virtconsole,chardev=console");
    } else {
        args.pair("-serial", "chardev:console");
    }
}

/// In QEMU's option syntax a comma in a value is written twice.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

struct Arguments(Vec<OsString>);

impl Arguments {
    fn word(&mut self, word: &str) {
        self.0.push(word.into());
    }

    fn pair(&mut self, option: &str, value: &str) {
        self.0.extend([option.into(), value.into()]);
    }

    fn file(&mut self, option: &str, path: &Path) {
        self.0.extend([option.into(), path.into()]);
    }

    fn path_option(&mut self, option: &str, head: &str, path: &Path, tail: &str) {
        self.pair(option, &format!("{head}{}{tail}", escaped(path)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            name: "web".to_owned(),
            accel: "tcg",
            cpu: "max".to_owned(),
            cpus: 2,
            memory_mib: 512,
            cmdline: "console=ttyS0 quiet".to_owned(),
            boot: Boot::Kernel {
                kernel: "vmlinuz".into(),
                initramfs: "initramfs".into(),
                system: Some("a,b/system.erofs".into()),
                state: None,
            },
            forwards: Some(Vec::new()),
            console: Console::Terminal,
            transcript: "console.log".into(),
            fds: Fds {
                qmp: 5,
                events: 6,
                control: 7,
            },
            extra: vec!["-S".to_owned()],
        }
    }

    fn values(plan: &Plan, option: &str) -> Vec<String> {
        let args = arguments(plan);
        args.windows(2)
            .filter(|pair| pair[0] == option)
            .map(|pair| pair[1].to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn the_system_disk_is_read_only_and_its_path_is_escaped() {
        let drive = "if=none,format=raw,id=system,readonly=on,file=a,,b/system.erofs";
        assert_eq!(values(&plan(), "-drive"), [drive]);
    }

    #[test]
    fn no_disk_no_network_no_device() {
        let mut plan = plan();
        plan.forwards = None;
        let Boot::Kernel { system, .. } = &mut plan.boot else {
            panic!("{:?}", plan.boot)
        };
        *system = None;
        assert_eq!(values(&plan, "-drive"), Vec::<String>::new());
        assert_eq!(values(&plan, "-netdev"), Vec::<String>::new());
        assert_eq!(
            values(&plan, "-device"),
            [
                "virtio-rng-pci",
                "virtio-serial-pci",
                "virtserialport,id=events,chardev=events,name=orlop.events",
                "virtserialport,id=control,chardev=control,name=orlop.control",
            ]
        );
    }

    #[test]
    fn firmware_starts_a_disk_image_without_a_kernel_from_outside() {
        let disk = |bus, snapshot, uefi| Plan {
            boot: Boot::Disk {
                image: "a,b/disk.qcow2".into(),
                format: "qcow2",
                bus,
                snapshot,
                uefi,
            },
            ..plan()
        };
        let bios = disk(DiskBus::Virtio, false, None);
        for option in ["-kernel", "-initrd", "-append"] {
            assert!(values(&bios, option).is_empty(), "{option}");
        }
        let options = "cache=writeback,discard=unmap";
        assert_eq!(
            values(&bios, "-drive"),
            [format!(
                "if=none,format=qcow2,id=disk,{options},file=a,,b/disk.qcow2"
            )]
        );
        assert_eq!(
            values(&bios, "-device").first().unwrap(),
            "virtio-blk-pci,drive=disk,bootindex=0"
        );
        let uefi = UefiFiles {
            code: "code.fd".into(),
            vars: "vars.fd".into(),
        };
        let uefi = disk(DiskBus::Scsi, true, Some(uefi));
        assert_eq!(
            values(&uefi, "-drive"),
            [
                "if=pflash,unit=0,format=raw,readonly=on,file=code.fd".to_owned(),
                "if=pflash,unit=1,format=raw,file=vars.fd".to_owned(),
                format!("if=none,format=qcow2,id=disk,{options},snapshot=on,file=a,,b/disk.qcow2"),
            ]
        );
        let devices = values(&uefi, "-device");
        let scsi = [
            "virtio-scsi-pci,id=scsi",
            "scsi-hd,drive=disk,bus=scsi.0,bootindex=0",
        ];
        assert_eq!(devices[..2], scsi);
    }

    #[test]
    fn the_terminal_is_where_the_kernels_console_is() {
        let mut plan = plan();
        assert_eq!(values(&plan, "-serial"), ["chardev:console"]);
        plan.cmdline.push_str(" console=hvc0");
        assert!(values(&plan, "-serial").is_empty());
        let devices = values(&plan, "-device");
        assert_eq!(devices.last().unwrap(), "virtconsole,chardev=console");
    }

    #[test]
    fn what_the_user_adds_comes_last() {
        assert_eq!(arguments(&plan()).last().unwrap(), "-S");
    }
}

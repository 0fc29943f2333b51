//! Which module drives a device and what it needs: depmod's `modules.alias` and `modules.dep`, as
//! `orlop build` writes them. Pure. What is not understood is passed over: the files are the system's
//! own.

use std::collections::BTreeMap;

use super::pattern::matches;

/// Both files.
#[derive(Debug)]
pub(super) struct Index<'t> {
    /// Bus → patterns with their modules.
    aliases: BTreeMap<&'t str, Vec<(&'t str, &'t str)>>,
    /// Module → what it needs, what is loaded first last.
    needs: BTreeMap<&'t str, Vec<&'t str>>,
}

impl<'t> Index<'t> {
    /// From their texts.
    pub(super) fn parse(alias: &'t str, dep: &'t str) -> Self {
        let mut aliases: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for line in alias.lines() {
            let mut words = line.split(' ');
            if let (Some("alias"), Some(pattern), Some(module)) =
                (words.next(), words.next(), words.next())
            {
                aliases
                    .entry(bus(pattern))
                    .or_default()
                    .push((pattern, module));
            }
        }
        let name = |file: &'t str| file.strip_suffix(".ko");
        let needs = dep.lines().filter_map(|line| {
            let (module, needs) = line.split_once(':')?;
            Some((name(module)?, needs.split(' ').filter_map(name).collect()))
        });
        Self {
            aliases,
            needs: needs.collect(),
        }
    }

    /// The modules that drive a device.
    pub(super) fn modules_for(&self, modalias: &str) -> impl Iterator<Item = &'t str> {
        let of_bus = self.aliases.get(bus(modalias)).into_iter().flatten();
        of_bus.filter_map(move |(pattern, module)| matches(pattern, modalias).then_some(*module))
    }

    /// The module after all that it needs.
    pub(super) fn load_order(&self, module: &'t str) -> impl Iterator<Item = &'t str> {
        let needs = self.needs.get(module).into_iter().flatten().rev();
        needs.copied().chain([module])
    }
}

/// What stands before the first colon; of `acpi*:PNP0C0C:*`, as the kernel's table writes it, `acpi`.
fn bus(text: &str) -> &str {
    let bus = text.split(':').next().unwrap_or(text);
    bus.trim_end_matches('*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modalias_leads_to_a_module_and_what_it_needs_first() {
        let alias = "alias pci:v000015ADd000007B0sv*sd*bc*sc*i* vmxnet3\n\
                     alias acpi*:PNP0C0C:* button\nalias scsi:t-0x00* sd_mod\n# a remark\n";
        let dep = "vmxnet3.ko:\nsd_mod.ko: t10_pi.ko scsi_mod.ko scsi_common.ko\n";
        let index = Index::parse(alias, dep);
        let modules = |modalias: &str| index.modules_for(modalias).collect::<Vec<_>>();
        let nic = "pci:v000015ADd000007B0sv000015ADsd000007B0bc02sc00i00";
        assert_eq!(modules(nic), ["vmxnet3"]);
        assert_eq!(modules("acpi:PNP0C0C:"), ["button"]);
        assert_eq!(modules("scsi:t-0x00"), ["sd_mod"]);
        assert!(modules("scsi:t-0x05").is_empty());
        assert!(modules("usb:v1").is_empty());
        let order = |module| index.load_order(module).collect::<Vec<_>>();
        assert_eq!(
            order("sd_mod"),
            ["scsi_common", "scsi_mod", "t10_pi", "sd_mod"]
        );
        assert_eq!(order("vmxnet3"), ["vmxnet3"]);
    }
}

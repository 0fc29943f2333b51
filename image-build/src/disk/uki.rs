//! The unified kernel image: systemd's stub with the kernel, the initramfs and the command line as
//! further sections (systemd-stub(7), "Unified Kernel Image" of the UAPI group; the PE format is
//! Microsoft's "PE Format").

/// A section's content.
#[derive(Debug, Clone, Copy)]
pub struct Section<'a> {
    /// Such as `.cmdline`: at most 8 bytes.
    pub name: &'static str,
    /// What is in it.
    pub content: &'a [u8],
}

/// The stub is not what it should be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UkiError {
    /// No PE image, or not one for x86-64.
    #[error("the stub is not a PE32+ program")]
    NotPe,
    /// There is no room for so many section headers.
    #[error("the stub's headers have no room for {sections} more sections")]
    Headers {
        /// How many are to be added.
        sections: usize,
    },
    /// Longer than a PE image can be.
    #[error("the sections are too large for a PE image")]
    Large,
}

/// Bytes of a section header.
const HEADER: usize = 40;
/// What sections are aligned to in memory: a page.
const PAGE: u32 = 4096;
/// `IMAGE_SCN_CNT_INITIALIZED_DATA | IMAGE_SCN_MEM_READ`.
const DATA: u32 = 0x4000_0040;

/// Appends the sections to the stub, in memory behind its own.
///
/// # Errors
/// When the stub is not a PE32+ program with room for the headers.
pub fn append(stub: &[u8], sections: &[Section<'_>]) -> Result<Vec<u8>, UkiError> {
    let headers = Headers::find(stub).ok_or(UkiError::NotPe)?;
    let room = usize::try_from(headers.size).unwrap_or(usize::MAX);
    let new_headers = headers.table + HEADER * headers.count;
    if new_headers + HEADER * sections.len() > room {
        return Err(UkiError::Headers {
            sections: sections.len(),
        });
    }
    let mut image = headers.without_symbols(stub);
    let mut address = headers.end_in_memory(stub).ok_or(UkiError::NotPe)?;
    let mut data = 0_u32;
    for (at, section) in sections.iter().enumerate() {
        let len = u32::try_from(section.content.len()).map_err(|_| UkiError::Large)?;
        let raw = len.checked_next_multiple_of(headers.file_alignment);
        let raw = raw.ok_or(UkiError::Large)?;
        let begin = image.len().next_multiple_of(headers.alignment_len());
        image.resize(begin, 0);
        image.extend_from_slice(section.content);
        image.resize(begin + usize::try_from(raw).unwrap_or(0), 0);
        address = address
            .checked_next_multiple_of(PAGE)
            .ok_or(UkiError::Large)?;
        let mut name = section.name.as_bytes().to_vec();
        name.resize(8, 0);
        let begin = u32::try_from(begin).map_err(|_| UkiError::Large)?;
        let numbers = [len, address, raw, begin, 0, 0, 0, DATA];
        let fields = numbers.iter().flat_map(|number| number.to_le_bytes());
        let header: Vec<u8> = name.into_iter().chain(fields).collect();
        put(&mut image, new_headers + at * HEADER, &header);
        address = address.checked_add(len).ok_or(UkiError::Large)?;
        data = data.checked_add(raw).ok_or(UkiError::Large)?;
    }
    let end = address.checked_next_multiple_of(headers.section_alignment);
    let end = end.ok_or(UkiError::Large)?;
    let count = u16::try_from(headers.count + sections.len()).map_err(|_| UkiError::Large)?;
    put(&mut image, headers.coff + 2, &count.to_le_bytes());
    let optional = headers.optional;
    let data = data.saturating_add(u32_at(stub, optional + 8).unwrap_or(0));
    put(&mut image, optional + 8, &data.to_le_bytes());
    put(&mut image, optional + 56, &end.to_le_bytes());
    // No checksum: UEFI does not look at it.
    put(&mut image, optional + 64, &[0; 4]);
    Ok(image)
}

fn put(image: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = image.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// Where a PE's headers are and what they say.
#[derive(Debug)]
struct Headers {
    coff: usize,
    optional: usize,
    table: usize,
    count: usize,
    section_alignment: u32,
    file_alignment: u32,
    /// `SizeOfHeaders`.
    size: u32,
}

impl Headers {
    fn find(pe: &[u8]) -> Option<Self> {
        let signature = usize::try_from(u32_at(pe, 0x3c)?).ok()?;
        let coff = signature.checked_add(4)?;
        let is_pe = pe.get(signature..coff)? == b"PE\0\0" && u16_at(pe, coff)? == 0x8664;
        let optional = coff + 20;
        if pe.get(..2)? != b"MZ" || !is_pe || u16_at(pe, optional)? != 0x20b {
            return None;
        }
        let headers = Self {
            coff,
            optional,
            table: optional + usize::from(u16_at(pe, coff + 16)?),
            count: usize::from(u16_at(pe, coff + 2)?),
            section_alignment: u32_at(pe, optional + 32)?,
            file_alignment: u32_at(pe, optional + 36)?,
            size: u32_at(pe, optional + 60)?,
        };
        let sound =
            headers.section_alignment.is_power_of_two() && headers.file_alignment.is_power_of_two();
        sound.then_some(headers)
    }

    fn alignment_len(&self) -> usize {
        usize::try_from(self.file_alignment).unwrap_or(512)
    }

    /// The stub without what is behind its sections, a table of symbols: a signature covers sections
    /// best when nothing lies between them (Microsoft, "Windows Authenticode Portable Executable
    /// Signature Format").
    fn without_symbols(&self, pe: &[u8]) -> Vec<u8> {
        let sections = 0..self.count;
        let mut end = usize::try_from(self.size).unwrap_or(0);
        for header in sections.map(|at| self.table + at * HEADER) {
            let field = |at: usize| u32_at(pe, header + at).and_then(|at| usize::try_from(at).ok());
            let (len, begin) = (field(16).unwrap_or(0), field(20).unwrap_or(0));
            end = end.max(begin.saturating_add(len));
        }
        let mut image = pe.get(..end).unwrap_or(pe).to_vec();
        // Where the symbols are, and how many.
        put(&mut image, self.coff + 8, &[0; 8]);
        image
    }

    /// Behind the last section.
    fn end_in_memory(&self, pe: &[u8]) -> Option<u32> {
        let mut end = 0;
        for at in 0..self.count {
            let header = self.table + at * HEADER;
            let section = u32_at(pe, header + 12)?.checked_add(u32_at(pe, header + 8)?)?;
            end = end.max(section);
        }
        Some(end)
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// The least that is a stub: one section, room for two more.
    fn stub() -> Vec<u8> {
        let mut pe = vec![0; 1024];
        put(&mut pe, 0, b"MZ");
        put(&mut pe, 0x3c, &0x40_u32.to_le_bytes());
        put(&mut pe, 0x40, b"PE\0\0\x64\x86\x01\0");
        put(&mut pe, 0x44 + 16, &240_u16.to_le_bytes());
        put(&mut pe, 0x44 + 18, &0x22_u16.to_le_bytes());
        let optional = 0x58;
        put(&mut pe, optional, &0x20b_u16.to_le_bytes());
        for (at, value) in [(32, 512), (36, 512), (56, 0x1200), (60, 512), (108, 16)] {
            put(&mut pe, optional + at, &u32::to_le_bytes(value));
        }
        let mut header = b".text\0\0\0".to_vec();
        header.extend([100, 0x1000, 512, 512].map(u32::to_le_bytes).concat());
        header.extend([0, 0, 0, 0x6000_0020].map(u32::to_le_bytes).concat());
        put(&mut pe, optional + 240, &header);
        pe.extend(b"symbols");
        put(&mut pe, 0x44 + 8, &[1024, 3].map(u32::to_le_bytes).concat());
        pe
    }

    #[test]
    fn objcopy_reads_the_sections_back() {
        let linux = vec![7; 5000];
        let sections = [
            Section {
                name: ".cmdline",
                content: b"quiet gpt",
            },
            Section {
                name: ".linux",
                content: &linux,
            },
        ];
        let image = append(&stub(), &sections).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uki.efi");
        std::fs::write(&path, &image).unwrap();
        for Section { name, content } in sections {
            let read = folder.path().join("section");
            let mut dump = std::ffi::OsString::from(format!("{name}="));
            dump.push(&read);
            let output = Command::new("objcopy")
                .arg("--dump-section")
                .args([dump, path.clone().into(), folder.path().join("copy").into()])
                .output()
                .expect("run objcopy, of Debian's package binutils");
            assert!(output.status.success(), "{output:?}");
            assert!(std::fs::read(read).unwrap() == content, "{name}");
        }
        assert!(!image.windows(7).any(|at| at == b"symbols"));
        let said = Command::new("objdump")
            .arg("-h")
            .arg(&path)
            .output()
            .unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        // In memory one behind the other, each at a page's begin.
        assert!(said.contains("00000009  0000000000002000"), "{said}");
        assert!(said.contains("00001388  0000000000003000"), "{said}");
    }

    #[test]
    fn what_is_no_stub_is_refused() {
        assert_eq!(append(b"MZ", &[]), Err(UkiError::NotPe));
        assert_eq!(append(b"\x7fELF", &[]), Err(UkiError::NotPe));
        let section = Section {
            name: ".linux",
            content: b"",
        };
        let error = append(&stub(), &[section; 9]).unwrap_err();
        assert_eq!(error, UkiError::Headers { sections: 9 });
        for len in 0..stub().len() {
            let _ = append(&stub()[..len], &[section]);
        }
    }
}

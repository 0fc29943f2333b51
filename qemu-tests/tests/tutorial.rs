//! `docs/tutorial.md`, as its reader types it: one machine, each command, what it prints.

use std::path::Path;

use orlop_qemu_tests::tutorial::Page;

#[test]
fn the_tutorial_does_what_it_says() -> anyhow::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/tutorial.md");
    Page::open(&path)?.run()
}

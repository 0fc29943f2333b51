//! `/init`: the first process of the machine. The boot reads top to bottom in `boot.rs`.

fn main() -> std::process::ExitCode {
    orlop_init::main()
}

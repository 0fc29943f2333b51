//! The command line of the workstation tool `orlop`.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand};
use orlop_control::client::Client;
use orlop_control::verbs::{self, Screen};
use orlop_image_build::run::{RunOptions, place, run};
use orlop_image_build::{
    AddOptions, AuditOptions, BuildOptions, ConfigOptions, DiskFormat, FlashOptions, SchemaOf, add,
    audit, build, check, config, exec, flash, new, other_words, print_schema,
};

/// Machines whose services are containers: write, check, build and run them
#[derive(Debug, Parser)]
#[command(name = "orlop", version, after_help = machine_verbs())]
struct Orlop {
    /// The machine that a verb is for; not needed while only one runs
    #[arg(short = 'm', long = "machine", value_name = "NAME")]
    machine: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a machine to start from: system.toml and some services
    New {
        /// A folder that does not exist yet
        dir: PathBuf,
    },
    /// Add services of the catalogue to a machine; without a name, list the catalogue
    Add(AddOptions),
    /// Print every error of every manifest
    Check {
        /// The machine's folder
        #[arg(default_value = ".")]
        dir: PathBuf,
    },
    /// Tell what each service is granted, what that allows, and the stricter line
    Audit(AuditOptions),
    /// Show every key that counts, with where its value comes from
    Config(ConfigOptions),
    /// Print the JSON Schema of a file, for editors
    Schema {
        /// Which file
        #[arg(default_value = "service")]
        file: SchemaOf,
    },
    /// Make the kernel, the initramfs and the system image in DIR/build, and disks of them
    Build(BuildArguments),
    /// Boot a machine in QEMU, its console in the terminal
    Run(Box<RunOptions>),
    /// Write a disk image to a disk, whose content is lost
    Flash(FlashOptions),
    /// A verb for a machine that runs.
    #[command(external_subcommand)]
    Machine(Vec<OsString>),
}

#[derive(Debug, Args)]
struct BuildArguments {
    /// The machine's folder
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Take the newest packages instead of those that orlop.lock pins
    #[arg(long)]
    update: bool,
    /// Leave services with errors out and build the others
    #[arg(long)]
    keep_going: bool,
    /// The folder with the static programs `init` and `services`
    #[arg(long, value_name = "DIR")]
    runtime: Option<PathBuf>,
    /// The system inside the initramfs too, for a machine without a disk
    #[arg(long)]
    initramfs_system: bool,
    /// Disks to make of it beside the files that `orlop run` boots
    #[arg(long, value_name = "FORMAT", value_delimiter = ',')]
    format: Vec<DiskFormat>,
    /// Compress the disks (raw by zstd)
    #[arg(long, requires = "format")]
    compress: bool,
    /// Say nothing but warnings and errors
    #[arg(long, short)]
    quiet: bool,
}

fn main() -> ExitCode {
    let orlop = match command_line() {
        Ok(orlop) => orlop,
        Err(code) => return code,
    };
    let status = match perform(orlop) {
        Ok(status) => status,
        Err(error) => {
            complain(&format!("{error:#}"));
            verbs::EXIT_FAILED
        }
    };
    ExitCode::from(status)
}

fn perform(orlop: Orlop) -> Result<u8> {
    match orlop.command {
        Command::New { dir } => new(&dir)?,
        Command::Add(options) => return add(&options),
        Command::Check { dir } => return check(&dir),
        Command::Audit(options) => return audit(&options),
        Command::Config(options) => return config(&options),
        Command::Schema { file } => print_schema(file)?,
        Command::Build(arguments) => {
            let options = BuildOptions {
                update: arguments.update,
                keep_going: arguments.keep_going,
                runtime: arguments.runtime,
                initramfs_system: arguments.initramfs_system,
                formats: arguments.format,
                compress: arguments.compress,
                quiet: arguments.quiet,
                ..BuildOptions::default()
            };
            build(&arguments.dir, &options)?;
        }
        Command::Run(options) => run(&options, build)?,
        Command::Flash(options) => return flash(&options),
        Command::Machine(words) => return machine(orlop.machine.as_deref(), &words),
    }
    Ok(verbs::EXIT_DONE)
}

/// A verb for a machine that runs, over its control socket.
fn machine(name: Option<&str>, words: &[OsString]) -> Result<u8> {
    let mut verb = match verbs::parse(words.to_owned()) {
        Ok(verb) => verb,
        Err(verbs::UsageError::UnknownVerb(word)) => {
            let instead = instead_of(words);
            complain(&format!("there is no command \"{word}\"; {instead}"));
            return Ok(verbs::EXIT_USAGE);
        }
        Err(error) => {
            complain(&format!("{error}; `orlop --help` lists all"));
            return Ok(verbs::EXIT_USAGE);
        }
    };
    if let verbs::Verb::Exec { request } = &mut verb {
        request.stdin = !std::io::stdin().is_terminal();
    }
    let stream = place::connect(name)?;
    let connect = || Ok(Client::new(stream));
    let mut out = std::io::stdout();
    let outcome = verbs::run(&verb, connect, exec, &mut out, Screen::of_stdout());
    for error in &outcome.errors {
        complain(&error.chain());
    }
    Ok(outcome.status)
}

/// What to type instead of words that begin with no command.
fn instead_of(words: &[OsString]) -> String {
    let words: Vec<String> = words
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let orlop = Orlop::command();
    let own = orlop.get_subcommands().map(clap::Command::get_name);
    let verbs = verbs::VERBS.iter().map(|(usage, _)| *usage);
    let verbs = verbs.filter_map(|usage| usage.split(' ').next());
    let known: Vec<&str> = own.chain(verbs).collect();
    let instead = other_words::instead_of(&words, &known);
    instead.unwrap_or_else(|| "`orlop --help` lists all".to_owned())
}

/// The command line, or the exit code after saying what is wrong with it. An option of Docker's is
/// answered with what does the same.
fn command_line() -> Result<Orlop, ExitCode> {
    Orlop::try_parse().map_err(|error| {
        // Nobody is left to be told when stdout or stderr is closed.
        let _ = error.print();
        let word = match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::String(word)) if error.kind() == ErrorKind::UnknownArgument => word,
            _ => {
                return error
                    .exit_code()
                    .try_into()
                    .map_or(ExitCode::FAILURE, |code: u8| ExitCode::from(code));
            }
        };
        if let Some(instead) = other_words::instead_of_option(word) {
            complain(&format!("instead of {word}: {instead}"));
        }
        ExitCode::from(verbs::EXIT_USAGE)
    })
}

fn machine_verbs() -> String {
    format!("In a machine that runs:\n{}", verbs::help())
}

fn complain(text: &str) {
    // Nobody is left to be told when stderr is closed.
    let _ = writeln!(std::io::stderr(), "orlop: {text}");
}

//! `orchestratai backup`: everything durable, as of one moment, in one file.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, BufWriter, IsTerminal, Write},
    path::Path,
    time::{Duration, Instant},
};

use orchestratai_store::{Access, BackedUp, BackupContents, StoreSettings, back_up};
use tempfile::NamedTempFile;

use crate::{
    arguments::BackupArguments, build_info::BUILD, failure::CommandFailure, house::store_settings, signals::Signals,
};

/// Stands for standard output, and for standard input.
pub(super) const STANDARD: &str = "-";

/// Writes a backup; works beside a running server and without one.
///
/// # Errors
/// Where there is nothing to back up, or the backup cannot be written. No file is left then.
pub(crate) fn run(arguments: &BackupArguments) -> Result<(), CommandFailure> {
    let settings = super::settings(&arguments.configuration)?;
    if !settings.database().may_exist() {
        return Err(CommandFailure::plain(format!(
            "there is no data in {}: nothing to back up",
            settings.store.data_dir.display()
        )));
    }
    let from = store_settings(&settings, Access::Documents);
    if arguments.file == Path::new(STANDARD) {
        super::block_on(to_output(&from))
    } else {
        super::block_on(to_file(&from, &arguments.file))
    }
}

async fn to_output(from: &StoreSettings) -> Result<(), CommandFailure> {
    let out = io::stdout();
    if out.is_terminal() {
        return Err(CommandFailure::Usage(
            "a backup is nothing for a terminal: send it into a file or another program".to_owned(),
        ));
    }
    let began = Instant::now();
    let done = back_up(from, BUILD.version, out.lock()).await.map_err(failed)?;
    tell(&done, "standard output", began.elapsed())
}

/// Writes into a file beside the one that is wanted, which gets its name when it is whole and on the disk.
async fn to_file(from: &StoreSettings, file: &Path) -> Result<(), CommandFailure> {
    let began = Instant::now();
    let not_written =
        |error: io::Error| CommandFailure::because(format!("{} cannot be written", file.display()), error);
    if file.exists() {
        return Err(CommandFailure::plain(format!(
            "{} is there already: name another file, or remove it first",
            file.display()
        )));
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut prefix = OsString::from(".");
    prefix.push(file.file_name().unwrap_or_default());
    prefix.push(".partial-");
    // Nobody else may read it.
    let partial = tempfile::Builder::new().prefix(&prefix).tempfile_in(folder);
    let partial = partial.map_err(not_written)?;
    let mut signals = Signals::new().map_err(|error| CommandFailure::because("signals cannot be handled", error))?;
    let done = tokio::select! {
        done = back_up(from, BUILD.version, BufWriter::new(partial)) => done.map_err(failed)?,
        // What was written is removed when it is dropped.
        signal = signals.next() => return Err(CommandFailure::plain(format!("{signal}: no backup was made"))),
    };
    let BackedUp {
        out,
        contents,
        is_behind,
    } = done;
    let keep = |out: BufWriter<NamedTempFile>| -> io::Result<()> {
        let partial = out.into_inner()?;
        partial.as_file().sync_all()?;
        partial.persist_noclobber(file)?;
        File::open(folder)?.sync_all()
    };
    keep(out).map_err(not_written)?;
    let done = BackedUp {
        out: (),
        contents,
        is_behind,
    };
    tell(&done, &file.display().to_string(), began.elapsed())
}

fn failed(error: orchestratai_store::BackupError) -> CommandFailure {
    CommandFailure::because("there is no backup", error)
}

/// Says what was written. On standard error: standard output may be the backup.
fn tell<W>(done: &BackedUp<W>, to: &str, took: Duration) -> Result<(), CommandFailure> {
    let mut err = io::stderr().lock();
    if done.is_behind {
        writeln!(
            err,
            "warning: what was accepted in the last moments is not in it: the running server does not bring it into the \
             database; see /api/health/services"
        )?;
    }
    writeln!(
        err,
        "{to}: {}; {} bytes, after {:.1} s",
        summary(&done.contents),
        done.contents.bytes,
        took.as_secs_f64()
    )?;
    Ok(())
}

/// What is in a backup, in words.
pub(super) fn summary(contents: &BackupContents) -> String {
    format!(
        "{} sessions with {} messages, {} documents, as of {}",
        contents.rows("sessions"),
        contents.rows("messages"),
        contents.rows("documents"),
        contents.origin.taken_at,
    )
}

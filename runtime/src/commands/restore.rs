//! `orchestratai restore`: from a backup into an empty database.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
    time::Instant,
};

use orchestratai_store::{Access, check_backup, restore};

use super::backup::{STANDARD, summary};
use crate::{
    arguments::RestoreArguments,
    data_dir::{DataDir, Holder},
    failure::CommandFailure,
    house::store_settings,
    settings::{Database, Settings},
};

/// Restores a backup, or checks it.
///
/// # Errors
/// Where the backup cannot be used, or the database is not empty or in use. It is as it was then.
pub(crate) fn run(arguments: &RestoreArguments) -> Result<(), CommandFailure> {
    let began = Instant::now();
    let input: Box<dyn Read> = if arguments.file == Path::new(STANDARD) {
        Box::new(io::stdin().lock())
    } else {
        let failed = |error| CommandFailure::because(format!("{} cannot be read", arguments.file.display()), error);
        Box::new(File::open(&arguments.file).map_err(failed)?)
    };
    if arguments.check {
        let checked = check_backup(input);
        let contents = checked.map_err(|error| CommandFailure::because(arguments.file.display().to_string(), error))?;
        let mut out = io::stdout().lock();
        writeln!(
            out,
            "whole: {}, by version {}",
            summary(&contents),
            contents.origin.version
        )?;
        for table in &contents.tables {
            writeln!(out, "{:<18} {:>10} rows", table.name, table.rows)?;
        }
        return Ok(out.flush()?);
    }
    let settings = super::settings(&arguments.configuration)?;
    super::block_on(restore_into(&settings, input, began))
}

async fn restore_into(settings: &Settings, input: impl Read, began: Instant) -> Result<(), CommandFailure> {
    let into = store_settings(settings, Access::Journal);
    let data = DataDir::open(&settings.store.data_dir)?;
    let Some(_lock) = data.try_lock(Holder::Command)? else {
        let path = data.path().display();
        return Err(CommandFailure::plain(format!(
            "nothing was restored: the data in {path} is in use; stop the server first, or choose another folder with --data-dir"
        )));
    };
    if let Database::File(path) = settings.database()
        && !path.exists()
    {
        forget_former(&data)?;
    }
    let restored = restore(&into, input).await;
    let restored = restored.map_err(|error| CommandFailure::because("nothing was restored", error))?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "restored: {}; every row was read again; after {:.1} s",
        summary(&restored.contents),
        began.elapsed().as_secs_f64()
    )?;
    writeln!(
        out,
        "the next start makes the search index, and takes up turns that were open"
    )?;
    Ok(out.flush()?)
}

/// Removes what belongs to a database that was in the folder and is gone. Its index would be taken for the restored one's.
fn forget_former(data: &DataDir) -> Result<(), CommandFailure> {
    let removed = [
        (data.index(), fs::remove_dir_all(data.index())),
        (data.demo_mark(), fs::remove_file(data.demo_mark())),
    ];
    for (path, removed) in removed {
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let what = format!("{} cannot be removed", path.display());
                return Err(CommandFailure::because(what, error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

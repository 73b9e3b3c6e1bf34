//! The thread that works for the store while nobody waits for it.

use std::{io, path::Path, thread};

use sea_orm::{DatabaseConnection, DbErr};
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
    task::JoinHandle,
};

use crate::dialect::{self, Role};

/// A thread with a runtime of its own: preparing the statements of a large batch takes milliseconds, which would be missing
/// wherever else it ran. It and the threads of the connections that it opens yield to those that somebody waits for.
#[derive(Debug)]
pub(crate) struct Background {
    handle: Handle,
    /// Dropped with the store, which ends the thread.
    _stop: oneshot::Sender<()>,
}

/// Opens connections, and spawns tasks, on the thread.
#[derive(Debug, Clone)]
pub(crate) struct BackgroundHandle(Handle);

/// Added to the nice value: a tenth of the weight, so that it still gets on where others take all the time there is.
const NICENESS: i32 = 10;

impl Background {
    /// Starts the thread.
    pub(crate) fn start() -> io::Result<Self> {
        Self::start_after("store", yield_to_others)
    }

    /// Starts a thread of that name that yields to nobody: what it does has to be done in time.
    pub(crate) fn start_prompt(name: &str) -> io::Result<Self> {
        Self::start_after(name, || {})
    }

    fn start_after(name: &str, prepare: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            prepare();
            // Either way the store is gone.
            let _ = runtime.block_on(stopped);
        })?;
        Ok(Self { handle, _stop: stop })
    }

    /// What others use it by.
    pub(crate) fn handle(&self) -> BackgroundHandle {
        BackgroundHandle(self.handle.clone())
    }
}

impl BackgroundHandle {
    /// Spawns a task. It ends with the store at the latest.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.0.spawn(task)
    }

    /// Opens a connection, whose own thread inherits the priority of this one.
    ///
    /// # Errors
    /// Why it could not be opened.
    pub(crate) async fn connect(&self, path: &Path, role: Role) -> Result<DatabaseConnection, DbErr> {
        let path = path.to_owned();
        let connecting = self.0.spawn(async move { dialect::connect(&path, role, 1).await });
        connecting
            .await
            .unwrap_or_else(|ended| Err(DbErr::Custom(format!("the store is being closed: {ended}"))))
    }
}

/// Lowers the priority of the calling thread: on Linux the nice value is a thread's own.
#[cfg(target_os = "linux")]
fn yield_to_others() {
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "the store's background thread keeps its priority");
    }
}

#[cfg(not(target_os = "linux"))]
fn yield_to_others() {}

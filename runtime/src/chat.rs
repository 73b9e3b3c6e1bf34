//! `orchestratai chat`: a talk with the agents in a terminal, or in a script.
//!
//! In reading order:
//! - [`view`]: what is known of the session, as a pure state;
//! - [`connection`]: the WebSocket; [`backoff`]: when to try again;
//! - [`line`]: what the user's lines mean; [`input`]: where they come from;
//! - [`render`]: how things look; [`output`]: where they go.

mod backoff;
mod connection;
mod input;
mod line;
mod output;
pub(crate) mod render;
mod view;
#[cfg(test)]
mod view_tests;

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};

use crate::{arguments::ChatArguments, failure::CommandFailure};

use backoff::Backoff;
use connection::{ConnectError, Connection, Received, Target, refused_by_close};
use input::{Input, Line};
use line::{HELP, Wish};
use output::Output;
use view::{ServerFrame, Show, View};

/// How often the server is asked for a sign of life.
const PING_EVERY: Duration = Duration::from_secs(15);
/// How long it may give none before the connection is given up.
const SILENCE_MAX: Duration = Duration::from_secs(40);
/// How long a server may take to let us in.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How many attempts a script makes before it gives up: about half a minute.
const SCRIPT_ATTEMPTS: usize = 10;

/// Talks until the user leaves, or the script's lines are answered.
///
/// # Errors
/// Where the server cannot be reached or does not let us in, and, in a script, where a message got no answer.
pub(crate) fn run(arguments: &ChatArguments) -> Result<(), CommandFailure> {
    let target = Target::parse(&arguments.url, arguments.token.as_deref()).map_err(CommandFailure::Usage)?;
    let is_interactive = io::stdin().is_terminal() && io::stdout().is_terminal();
    let (input, output) = if is_interactive {
        let (input, printer) =
            Input::interactive().map_err(|error| CommandFailure::because("the terminal cannot be used", error))?;
        (input, Output::interactive(printer))
    } else {
        (Input::scripted(), Output::scripted())
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandFailure::because("the client cannot start", error))?;
    let outcome = runtime.block_on(async {
        let chat = Chat {
            target,
            view: View::new(arguments.session),
            input,
            output,
            interrupts: interrupts(),
            is_interactive,
            prompt_is_open: false,
            is_leaving: false,
            unanswered_before: 0,
            backoff: Backoff::default(),
        };
        chat.talk().await
    });
    runtime.shutdown_background(); // The thread that reads lines may wait for one for ever.
    outcome
}

/// Each Ctrl-C while the terminal is not at a prompt.
fn interrupts() -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel(4);
    tokio::spawn(async move { while tokio::signal::ctrl_c().await.is_ok() && sender.send(()).await.is_ok() {} });
    receiver
}

/// One talk.
struct Chat {
    target: Target,
    view: View,
    input: Input,
    output: Output,
    interrupts: mpsc::Receiver<()>,
    is_interactive: bool,
    prompt_is_open: bool,
    /// Whether one more Ctrl-C leaves.
    is_leaving: bool,
    /// Messages of earlier sessions that got no answer.
    unanswered_before: u32,
    backoff: Backoff,
}

/// How a connection came to its end.
enum End {
    /// The user leaves.
    Left,
    /// It was lost, or the user wants another session.
    Again,
}

impl Chat {
    async fn talk(mut self) -> Result<(), CommandFailure> {
        let mut was_connected = false;
        loop {
            let connected = tokio::select! {
                connected = timeout(CONNECT_MAX, self.target.connect(&self.view)) => connected,
                Some(()) = self.interrupts.recv() => return self.leave(),
            };
            let no_server =
                |target: &Target| format!("no server at {}; start one with `orchestratai serve`", target.url());
            // A server that lets us in and then closes is no better than none: both count as attempts.
            let is_last = !self.is_interactive && self.backoff.attempts() >= SCRIPT_ATTEMPTS;
            match connected {
                Ok(Ok(connection)) => {
                    was_connected = true;
                    match self.follow(connection).await? {
                        End::Left => return self.leave(),
                        End::Again if is_last => {
                            return Err(CommandFailure::plain("the server closes every connection"));
                        }
                        End::Again => {}
                    }
                }
                Ok(Err(ConnectError::Refused(why))) => return Err(CommandFailure::plain(why)),
                Ok(Err(error @ ConnectError::Unreachable(_))) => {
                    if !was_connected || is_last {
                        return Err(CommandFailure::because(no_server(&self.target), error));
                    }
                }
                Err(_elapsed) => {
                    if !was_connected || is_last {
                        return Err(CommandFailure::plain(format!(
                            "{}: whoever listens there does not answer",
                            no_server(&self.target)
                        )));
                    }
                }
            }
            let asked = self.view.take_reconnect_after().unwrap_or_default();
            let wait = self
                .backoff
                .next(rand::random())
                .max(asked.mul_f64(1.0 + rand::random::<f64>() / 4.0));
            if let End::Left = self.pause(wait).await? {
                return self.leave();
            }
        }
    }

    fn leave(self) -> Result<(), CommandFailure> {
        match self.unanswered_before + self.view.unanswered() {
            0 => Ok(()),
            _ if self.is_interactive => Ok(()),
            1 => Err(CommandFailure::plain("a message got no answer")),
            count => Err(CommandFailure::plain(format!("{count} messages got no answer"))),
        }
    }

    /// Waits before the next attempt; the user may leave, and may say things that are then sent.
    async fn pause(&mut self, how_long: Duration) -> Result<End, CommandFailure> {
        let pause = sleep(how_long);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => return Ok(End::Again),
                Some(()) = self.interrupts.recv() => return Ok(End::Left),
                line = self.input.next(), if self.prompt_is_open => {
                    if let Some(end) = self.line(line, None).await? {
                        return Ok(end);
                    }
                }
            }
        }
    }

    /// Follows the session over one connection.
    async fn follow(&mut self, mut connection: Connection) -> Result<End, CommandFailure> {
        let mut ping = interval(PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        let mut is_ready = false;
        loop {
            if is_ready && !self.prompt_is_open && !self.view.is_waiting() {
                self.output.prompt_opened()?;
                self.prompt_is_open = true;
                self.input.ask();
            }
            tokio::select! {
                received = connection.next() => {
                    heard = Instant::now();
                    match received {
                        Received::Frame(frame) => {
                            let begins = matches!(&frame, ServerFrame::Signal(signal) if signal.body.kind() == "session_ready");
                            for show in self.view.apply(frame) {
                                self.output.show(&show, &self.view)?;
                            }
                            if !self.prompt_is_open && !self.view.is_waiting() {
                                self.is_leaving = false; // The turn that was to be stopped has ended.
                            }
                            if begins {
                                is_ready = true;
                                self.backoff.reset();
                                if self.send_unaccepted(&mut connection).await.is_err() {
                                    return self.lost(None);
                                }
                            }
                        }
                        Received::Life => {}
                        Received::Closed(code) => return self.lost(code),
                    }
                }
                line = self.input.next(), if self.prompt_is_open => {
                    let end = self.line(line, Some(&mut connection)).await?;
                    if let Some(end) = end {
                        connection.close().await;
                        return Ok(end);
                    }
                }
                Some(()) = self.interrupts.recv() => {
                    if self.is_leaving || !self.view.is_waiting() {
                        connection.close().await;
                        return Ok(End::Left);
                    }
                    self.is_leaving = true;
                    self.output.show(&Show::Notice("stopping the turn; Ctrl-C again leaves".into()), &self.view)?;
                    if connection.cancel(None).await.is_err() {
                        return self.lost(None);
                    }
                }
                _ = ping.tick() => {
                    if heard.elapsed() > SILENCE_MAX || connection.ping().await.is_err() {
                        return self.lost(None);
                    }
                }
            }
        }
    }

    async fn send_unaccepted(
        &mut self,
        connection: &mut Connection,
    ) -> Result<(), Box<tokio_tungstenite::tungstenite::Error>> {
        for said in self.view.unaccepted() {
            connection.send(said).await?;
        }
        Ok(())
    }

    fn lost(&mut self, code: Option<u16>) -> Result<End, CommandFailure> {
        if let Some(why) = code.and_then(refused_by_close) {
            return Err(CommandFailure::plain(why));
        }
        self.output
            .show(&Show::Notice("the connection is lost; trying again".into()), &self.view)?;
        Ok(End::Again)
    }

    /// Does what a line says. Without a connection, messages wait for the next one.
    async fn line(&mut self, line: Line, connection: Option<&mut Connection>) -> Result<Option<End>, CommandFailure> {
        self.prompt_is_open = false;
        self.output.prompt_closed()?;
        let text = match line {
            Line::Text(text) => text,
            Line::Ended => return Ok(Some(End::Left)),
            Line::Interrupted if self.is_leaving => return Ok(Some(End::Left)),
            Line::Interrupted => {
                self.is_leaving = true;
                self.output
                    .show(&Show::Notice("Ctrl-C again, or /quit, leaves".into()), &self.view)?;
                return Ok(None);
            }
            Line::Failed(error) => return Err(CommandFailure::plain(format!("the input cannot be read: {error}"))),
        };
        self.is_leaving = false;
        match Wish::parse(&text) {
            Wish::Nothing => {}
            Wish::Say { content, fresh } => {
                let said = self.view.say(content, fresh);
                if let Some(connection) = connection {
                    // A failure shows as the end of the connection, and the message is then sent again.
                    let _ = connection.send(&said).await;
                }
            }
            Wish::New => {
                self.unanswered_before += self.view.unanswered();
                self.view = View::new(None);
                return Ok(Some(End::Again));
            }
            Wish::Cancel => {
                if let Some(connection) = connection {
                    let _ = connection.cancel(None).await; // As above: what failed to arrive can be said again.
                }
            }
            Wish::Agents => self.output.agents(&self.view)?,
            Wish::Help => self.output.say(HELP)?,
            Wish::Quit => return Ok(Some(End::Left)),
            Wish::Unclear(why) if self.is_interactive => self.output.show(&Show::Problem(why), &self.view)?,
            Wish::Unclear(why) => return Err(CommandFailure::Usage(why)),
        }
        Ok(None)
    }
}

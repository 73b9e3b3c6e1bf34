//! Where text goes: straight to the terminal, around an open prompt, or, in a script, answers apart from the rest.

use std::io::{self, IsTerminal, Write};

use super::{
    render::Renderer,
    view::{Show, View},
};

/// Writes above an open prompt.
pub(super) type Printer = Box<dyn FnMut(String) + Send>;

/// Where text goes.
pub(super) struct Output {
    answers: Renderer,
    aside: Renderer,
    is_interactive: bool,
    printer: Option<Printer>,
    /// What waits for the end of its line while a prompt is open; `None`: no prompt is open.
    held: Option<String>,
}

impl Output {
    /// With a person before it: everything goes to the standard output.
    pub(super) fn interactive(printer: Option<Printer>) -> Self {
        let colours = takes_colours(&io::stdout());
        Self {
            answers: Renderer::new(colours),
            aside: Renderer::new(colours),
            is_interactive: true,
            printer,
            held: None,
        }
    }

    /// In a script: answers go to the standard output, all else to the standard error stream.
    pub(super) fn scripted() -> Self {
        Self {
            answers: Renderer::new(takes_colours(&io::stdout())),
            aside: Renderer::new(takes_colours(&io::stderr())),
            is_interactive: false,
            printer: None,
            held: None,
        }
    }

    /// A prompt has opened: until it closes, only whole lines are written, above it.
    pub(super) fn prompt_opened(&mut self) -> io::Result<()> {
        if self.is_interactive {
            let text = self.answers.text("");
            self.write_answer(&text)?;
            self.held = Some(String::new());
        }
        Ok(())
    }

    /// The prompt has closed.
    pub(super) fn prompt_closed(&mut self) -> io::Result<()> {
        match self.held.take() {
            Some(rest) if !rest.is_empty() => self.write_answer(&rest),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn show(&mut self, show: &Show, view: &View) -> io::Result<()> {
        if self.is_interactive {
            let text = self.answers.render(show, view);
            return self.write_answer(&text);
        }
        match show {
            Show::Answer { text, begins, .. } => {
                // A script wants the answer, not who gave it.
                let show = Show::Answer {
                    agent: None,
                    text: text.clone(),
                    begins: *begins,
                };
                let text = self.answers.render(&show, view);
                self.write_answer(&text)
            }
            Show::Citations(_) => {
                let text = self.answers.render(show, view);
                self.write_answer(&text)
            }
            Show::Figures { .. } | Show::Failed(_) | Show::Cancelled(_) => {
                let end = self.answers.text("");
                self.write_answer(&end)?;
                self.write_aside(show, view)
            }
            Show::Session { .. }
            | Show::Question(_)
            | Show::Step { .. }
            | Show::Handoff { .. }
            | Show::Withdrawn(_)
            | Show::Notice(_)
            | Show::Problem(_) => self.write_aside(show, view),
        }
    }

    /// A text of our own, such as the help.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        let text = self.answers.text(text);
        self.write_answer(&text)
    }

    pub(super) fn agents(&mut self, view: &View) -> io::Result<()> {
        let text = self.answers.agents(view.agents());
        self.write_answer(&text)
    }

    fn write_aside(&mut self, show: &Show, view: &View) -> io::Result<()> {
        let text = self.aside.render(show, view);
        let mut err = io::stderr().lock();
        err.write_all(text.as_bytes())?;
        err.flush()
    }

    fn write_answer(&mut self, text: &str) -> io::Result<()> {
        if let (Some(held), Some(printer)) = (&mut self.held, &mut self.printer) {
            held.push_str(text);
            if let Some(end) = held.rfind('\n') {
                let rest = held.split_off(end + 1);
                printer(std::mem::replace(held, rest));
            }
            return Ok(());
        }
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

/// Whether colours are wanted: it is a terminal, a capable one, and nobody has asked to leave them out.
fn takes_colours(stream: &impl IsTerminal) -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    !is_set("NO_COLOR") && (is_set("CLICOLOR_FORCE") || stream.is_terminal() && !is_dumb)
}

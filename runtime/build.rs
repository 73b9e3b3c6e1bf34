//! Tells the binary which commit and compiler it comes from, and cargo when it must be made anew for its web console.

use std::{env, fs, path::Path, process::Command};

/// The first line that a command prints; `None` where it cannot be run or fails.
fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next()?.trim();
    (output.status.success() && !line.is_empty()).then(|| line.to_owned())
}

/// The built console. The macro that embeds its files is told of no file that comes in anew.
const CONSOLE: &str = "../console/dist";

/// Has the binary made anew when the console has been.
fn watch_console() {
    // A path that is not there would make cargo build anew each time. That it cannot be made costs no more than this.
    if !Path::new(CONSOLE).exists() {
        let _ = fs::create_dir_all(CONSOLE);
    }
    println!("cargo:rerun-if-changed={CONSOLE}");
}

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=ORCHESTRATAI_COMMIT");
    // Only what is delivered names its commit: a debug build would be made anew after every commit.
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if is_release {
        watch_console(); // A debug build reads the console from its folder.
    }
    let commit = env::var("ORCHESTRATAI_COMMIT")
        .ok()
        .filter(|commit| !commit.is_empty())
        .or_else(|| {
            if !is_release {
                return None;
            }
            // Every commit and checkout writes here. A path that is not there would make cargo build anew each time.
            if let Some(log) = first_line("git", &["rev-parse", "--git-path", "logs/HEAD"])
                && std::path::Path::new(&log).exists()
            {
                println!("cargo:rerun-if-changed={log}");
            }
            first_line("git", &["rev-parse", "--short=12", "HEAD"])
        });
    let rustc = env::var("RUSTC")
        .ok()
        .and_then(|rustc| first_line(&rustc, &["--version"]));
    let rustc = rustc
        .as_deref()
        .and_then(|line| line.split(' ').nth(1))
        .unwrap_or("unknown");
    println!(
        "cargo:rustc-env=ORCHESTRATAI_COMMIT={}",
        commit.as_deref().unwrap_or("unknown")
    );
    println!("cargo:rustc-env=ORCHESTRATAI_RUSTC={rustc}");
}

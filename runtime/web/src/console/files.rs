//! Where the files of the console come from.

use std::{fmt, fs, path::PathBuf};

use bytes::Bytes;
use sha2::{Digest, Sha256};

/// A file as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleFile {
    /// Its content.
    pub bytes: Bytes,
    /// The SHA-256 of its content.
    pub hash: [u8; 32],
}

impl ConsoleFile {
    /// Its entity tag: the first half of its hash, in quotes.
    pub(super) fn tag(&self) -> String {
        let digits: String = self.hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("\"{digits}\"")
    }
}

/// Where the files are. Their names are paths with `/`, such as `assets/index-C0FFEE.js`; encoded beforehand a file lies
/// beside itself, with `.br` or `.gz` behind its name.
#[derive(Clone, Default)]
pub enum ConsoleFiles {
    /// In the binary, by this look-up. It knows every file since it was compiled, so that it is asked for any name.
    Compiled(fn(&str) -> Option<ConsoleFile>),
    /// In a folder, read anew for each request: a console that is built anew is served at once.
    Folder(PathBuf),
    /// There is none.
    #[default]
    Absent,
}

impl ConsoleFiles {
    /// A file of this name, where there is one. A name that leads out of the folder, or to what is hidden in it, is nobody's.
    pub(super) async fn read(&self, name: &str) -> Option<ConsoleFile> {
        let is_sound = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', ':', '\0']);
        if !name.split('/').all(is_sound) {
            return None;
        }
        match self {
            Self::Compiled(find) => find(name),
            Self::Folder(folder) => {
                let path = folder.join(name);
                let read = move || {
                    let bytes = fs::read(path).ok()?;
                    let hash = Sha256::digest(&bytes).into();
                    let bytes = bytes.into();
                    Some(ConsoleFile { bytes, hash })
                };
                tokio::task::spawn_blocking(read).await.ok().flatten()
            }
            Self::Absent => None,
        }
    }
}

impl fmt::Debug for ConsoleFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compiled(_) => f.write_str("Compiled"),
            Self::Folder(folder) => f.debug_tuple("Folder").field(folder).finish(),
            Self::Absent => f.write_str("Absent"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_outside_of_the_folder_is_read() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("dist");
        fs::create_dir_all(folder.join("assets")).unwrap();
        for name in ["secret", "dist/.env", "dist/index.html", "dist/assets/a.js"] {
            fs::write(outer.path().join(name), name).unwrap();
        }
        let files = ConsoleFiles::Folder(folder.clone());
        for name in ["index.html", "assets/a.js"] {
            let file = files.read(name).await.unwrap();
            assert_eq!(file.bytes, format!("dist/{name}"));
        }
        let absolute = outer.path().join("secret").to_string_lossy().into_owned();
        for name in [
            "",
            "../secret",
            "assets/../../secret",
            "./index.html",
            ".env",
            "assets",
            "assets/",
            "..\\secret",
            &absolute,
        ] {
            assert_eq!(files.read(name).await, None, "{name}");
        }
        assert_eq!(ConsoleFiles::Absent.read("index.html").await, None);
    }

    #[test]
    fn a_tag_is_of_the_content() {
        let file = |text: &'static str| ConsoleFile {
            bytes: Bytes::from_static(text.as_bytes()),
            hash: Sha256::digest(text).into(),
        };
        assert_eq!(file("").tag(), "\"e3b0c44298fc1c149afbf4c8996fb924\"");
        assert_ne!(file("a").tag(), file("b").tag());
    }
}

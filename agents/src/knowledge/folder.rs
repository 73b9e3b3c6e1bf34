//! Walks a folder for files to ingest, without ever leaving it.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use super::{
    FileKind, KnowledgeError,
    source::{FileProblem, SourceFile, too_large},
};

/// More files than this are not ingested at once.
const FILES_MAX: usize = 100_000;
/// Folders are not followed deeper than this.
const DEPTH_MAX: usize = 64;

/// The files of a folder, sorted by path, and what could not be looked into.
#[derive(Debug, Default)]
pub(crate) struct FolderFiles {
    pub(crate) files: Vec<FoundFile>,
    pub(crate) problems: Vec<FileProblem>,
}

/// A file that has not been read yet.
#[derive(Debug)]
pub(crate) struct FoundFile {
    kind: FileKind,
    /// Its path relative to the folder, with forward slashes.
    path: String,
    place: PathBuf,
}

/// Finds all files below `folder` that are of a kind that is read. Hidden files and folders are passed over, as are files of other
/// kinds. A symbolic link is followed only to a file or folder within `folder`.
///
/// # Errors
/// [`KnowledgeError::Folder`] where `folder` itself cannot be read.
pub(crate) fn find(folder: &Path) -> Result<FolderFiles, KnowledgeError> {
    let fail = |reason: String| KnowledgeError::Folder {
        path: folder.into(),
        reason,
    };
    let root = folder.canonicalize().map_err(|error| fail(error.to_string()))?;
    if !root.is_dir() {
        return Err(fail("it is not a folder".into()));
    }
    let mut found = FolderFiles::default();
    // Canonical folders that lead to the present one: a link back into one of them would go round for ever.
    walk(&root, &root, &mut vec![root.clone()], &mut found);
    found.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

impl FoundFile {
    /// Reads the file.
    ///
    /// # Errors
    /// [`FileProblem`] where it cannot be read or is too large.
    pub(crate) fn read(self) -> Result<SourceFile, FileProblem> {
        let mut bytes = Vec::new();
        // One byte more than is allowed tells that it is too large, whatever the file's size said.
        let read =
            fs::File::open(&self.place).and_then(|file| file.take(self.kind.bytes_max() + 1).read_to_end(&mut bytes));
        let reason = match read {
            Err(error) => error.to_string(),
            Ok(_) if bytes.len() as u64 > self.kind.bytes_max() => too_large(self.kind),
            Ok(_) => return Ok(SourceFile { path: self.path, bytes }),
        };
        Err(FileProblem {
            path: self.path,
            reason,
            skipped: true,
        })
    }
}

fn walk(root: &Path, folder: &Path, above: &mut Vec<PathBuf>, found: &mut FolderFiles) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return found.skip(root, folder, error.to_string()),
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        // Word processors put a file beside each document that is open, with its name and the tilde and dollar sign in front.
        let is_hidden = path.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            name.starts_with('.') || name.starts_with("~$")
        });
        if is_hidden {
            continue;
        }
        let target = match path.canonicalize() {
            Ok(target) => target,
            Err(error) => {
                found.skip(root, &path, error.to_string());
                continue;
            }
        };
        if !target.starts_with(root) {
            found.skip(root, &path, "it is a link that leads out of the folder".into());
        } else if target.is_dir() {
            if above.contains(&target) || above.len() > DEPTH_MAX {
                found.skip(root, &path, "it is a link that leads back, or lies too deep".into());
                continue;
            }
            above.push(target);
            walk(root, &path, above, found);
            above.pop();
        } else if target.is_file()
            && let Some(kind) = FileKind::of(&path.to_string_lossy())
        {
            found.take(root, &path, kind);
        }
    }
}

impl FolderFiles {
    fn take(&mut self, root: &Path, path: &Path, kind: FileKind) {
        if self.files.len() >= FILES_MAX {
            return self.skip(root, path, format!("there are more than {FILES_MAX} files"));
        }
        self.files.push(FoundFile {
            kind,
            path: relative(root, path),
            place: path.to_owned(),
        });
    }

    fn skip(&mut self, root: &Path, path: &Path, reason: String) {
        self.problems.push(FileProblem {
            path: relative(root, path),
            reason,
            skipped: true,
        });
    }
}

fn relative(root: &Path, path: &Path) -> String {
    let relative = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = relative
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_finds_texts_and_never_leaves_the_folder() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret.md"), "secret").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("b/c")).unwrap();
        fs::create_dir(root.join(".git")).unwrap();
        for path in [
            "a.md",
            "b/c/deep.txt",
            "b/page.html",
            ".hidden.md",
            "~$letter.docx",
            ".git/x.md",
            "b/picture.png",
        ] {
            fs::write(root.join(path), "text").unwrap();
        }
        let too_many = usize::try_from(FileKind::Markdown.bytes_max()).unwrap() + 1;
        fs::write(root.join("large.md"), vec![b'x'; too_many]).unwrap();
        std::os::unix::fs::symlink(outside.path(), root.join("out")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret.md"), root.join("out.md")).unwrap();
        std::os::unix::fs::symlink(root, root.join("b/loop")).unwrap();
        std::os::unix::fs::symlink(root.join("a.md"), root.join("inside.md")).unwrap();
        std::os::unix::fs::symlink(root.join("gone"), root.join("dangling.md")).unwrap();

        let found = find(root).unwrap();
        let (mut paths, mut problems) = (Vec::new(), found.problems);
        for file in found.files {
            match file.read() {
                Ok(file) => paths.push(file.path),
                Err(problem) => problems.push(problem),
            }
        }
        assert_eq!(paths, ["a.md", "b/c/deep.txt", "b/page.html", "inside.md"]);
        let mut problems: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
        problems.sort_unstable();
        assert_eq!(problems, ["b/loop", "dangling.md", "large.md", "out", "out.md"]);
    }

    #[test]
    fn a_folder_that_is_none_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file.md"), "x").unwrap();
        assert!(find(&dir.path().join("file.md")).is_err());
        assert!(find(&dir.path().join("nowhere")).is_err());
    }
}

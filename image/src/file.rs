//! Files as they stand in an image: all owned by root, none writable by anybody else.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// What directories are made with.
pub(crate) const DIRECTORY_MODE: u32 = 0o755;

/// A regular file of root's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// From the root of the image, without the first slash: `etc/passwd`.
    pub path: String,
    pub mode: u32,
    pub content: Vec<u8>,
}

/// Why files were not written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{} cannot be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} cannot be written", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} is not empty: name a new directory, so that nothing else gets into the image", .0.display())]
    NotEmpty(PathBuf),
}

impl File {
    /// Text or data that everybody may read.
    pub fn data(path: &str, content: impl Into<Vec<u8>>) -> Self {
        Self { path: path.to_owned(), mode: 0o644, content: content.into() }
    }

    /// A program from this machine, under the name that it gets in the image.
    pub fn program(path: &str, source: &Path) -> Result<Self, FileError> {
        let content = fs::read(source).map_err(|error| FileError::Read { path: source.to_owned(), source: error })?;
        Ok(Self { path: path.to_owned(), mode: 0o755, content })
    }
}

/// The directories that lead to the files, parents first.
pub(crate) fn directories(files: &[File]) -> BTreeSet<String> {
    let parents = files.iter().flat_map(|file| Path::new(&file.path).ancestors().skip(1));
    parents.filter_map(Path::to_str).filter(|path| !path.is_empty()).map(str::to_owned).collect()
}

/// Writes the files below a directory, which may not exist yet, with their modes whatever the umask is.
pub fn write_to(directory: &Path, files: &[File]) -> Result<(), FileError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| FileError::Write { path, source }
    };
    fs::create_dir_all(directory).map_err(failed(directory))?;
    let occupied = fs::read_dir(directory).map_err(failed(directory))?.next().is_some();
    if occupied {
        return Err(FileError::NotEmpty(directory.to_owned()));
    }
    // The directory becomes `/`, and engines keep its mode: at 0700 nobody but root could start the program.
    set_mode(directory, DIRECTORY_MODE).map_err(failed(directory))?;
    for path in directories(files) {
        let path = directory.join(path);
        fs::create_dir(&path).map_err(failed(&path))?;
        set_mode(&path, DIRECTORY_MODE).map_err(failed(&path))?;
    }
    for file in files {
        let path = directory.join(&file.path);
        fs::write(&path, &file.content).map_err(failed(&path))?;
        set_mode(&path, file.mode).map_err(failed(&path))?;
    }
    Ok(())
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

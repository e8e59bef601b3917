//! Files as a tar whose bytes follow from the files alone.

use std::io;

use tar::{Builder, EntryType, Header};

use crate::file::{DIRECTORY_MODE, File, directories};

/// The files in the order of their paths, with the directories that lead to them; all of root's, all of one time.
pub(crate) fn tar(files: &[File], seconds: u64) -> io::Result<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    for path in directories(files) {
        let mut header = header(EntryType::Directory, DIRECTORY_MODE, 0, seconds);
        tar.append_data(&mut header, format!("{path}/"), io::empty())?;
    }
    let mut sorted: Vec<_> = files.iter().collect();
    sorted.sort_by(|one, other| one.path.cmp(&other.path));
    for file in sorted {
        let mut header = header(EntryType::Regular, file.mode, file.content.len() as u64, seconds);
        tar.append_data(&mut header, &file.path, file.content.as_slice())?;
    }
    tar.into_inner()
}

fn header(kind: EntryType, mode: u32, size: u64, seconds: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(seconds);
    header.set_uid(0);
    header.set_gid(0);
    header
}

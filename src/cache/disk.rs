//! The leaf that touches files. Every call blocks; nothing here runs on the JavaScript thread but [`stamp`].

use super::error::CacheError;
use super::name::{FileName, TEMPORARY};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Which version of a file it is: another write shows as another stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    modified: u128,
    /// Bytes of the file.
    pub size: u64,
}

impl Stamp {
    /// The stamp of a file's metadata.
    pub fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Self { inode, modified: modified_nanos(metadata), size: metadata.len() }
    }

    /// When the file was written last, milliseconds since the epoch.
    pub fn modified_millis(&self) -> f64 {
        (self.modified / 1_000_000) as f64
    }
}

fn modified_nanos(metadata: &Metadata) -> u128 {
    let modified = metadata.modified().unwrap_or(UNIX_EPOCH);
    modified.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}

/// The stamp of the file at `path`; `None` when it is not there.
pub fn stamp(path: &Path) -> Option<Stamp> {
    fs::metadata(path).ok().map(|metadata| Stamp::of(&metadata))
}

/// A name for a temporary file that no other thread or process uses.
fn temporary(folder: &Path) -> PathBuf {
    static RUN: OnceLock<u64> = OnceLock::new();
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let run = RUN.get_or_init(|| getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id())));
    folder.join(format!("{TEMPORARY}{run:016x}-{}", NEXT.fetch_add(1, Ordering::Relaxed)))
}

fn create(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Writes a file so that readers see the old content or the new one, never a part. Makes the folder when it is
/// missing. Only the owner may read the file.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<Stamp, CacheError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let temporary = temporary(folder);
    let mut file = create(&temporary).or_else(|error| {
        if error.kind() != ErrorKind::NotFound {
            return Err(error);
        }
        fs::create_dir_all(folder)?;
        create(&temporary)
    })?;
    let written = file.write_all(bytes).and_then(|()| file.metadata()).and_then(|metadata| {
        // Windows cannot rename an open file of ours over another.
        #[cfg(windows)]
        drop(file);
        fs::rename(&temporary, path)?;
        Ok(Stamp::of(&metadata))
    });
    written.map_err(|error| {
        let _ = fs::remove_file(&temporary);
        error.into()
    })
}

/// A whole file and its stamp.
pub fn read(path: &Path) -> Result<(Vec<u8>, Stamp), CacheError> {
    let mut file = File::open(path)?;
    let stamp = Stamp::of(&file.metadata()?);
    let mut bytes = Vec::with_capacity(stamp.size as usize + 1);
    file.read_to_end(&mut bytes)?;
    Ok((bytes, stamp))
}

/// Up to `length` bytes of a file from its beginning.
pub fn read_head(path: &Path, length: usize) -> Result<Vec<u8>, CacheError> {
    let mut bytes = vec![0; length];
    let mut file = File::open(path)?;
    let mut filled = 0;
    while filled < length {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Up to `length` bytes of a file before its end.
pub fn read_tail(path: &Path, length: u64) -> Result<Vec<u8>, CacheError> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(length)))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Removes a file; whether it was there.
pub fn remove(path: &Path) -> Result<bool, CacheError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The name of a file within its folder; empty where it is no text.
pub fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// Both files that a key may have, compressed and plain.
pub fn paths(folder: &Path, name: FileName) -> [PathBuf; 2] {
    [true, false].map(|compress| folder.join(name.with_extension(compress)))
}

/// Calls `visit` with the name and path of every entry whose name is text. A folder that is missing has none;
/// entries that vanish meanwhile are passed over.
pub fn list(folder: &Path, mut visit: impl FnMut(&str, &Path)) -> Result<(), CacheError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries.flatten() {
        // A link or a sub-folder is not ours, whatever its name.
        if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        if let Some(name) = entry.file_name().to_str() {
            visit(name, &entry.path());
        }
    }
    Ok(())
}

/// Whether a temporary file was left behind by a process that died: older than `age` milliseconds.
pub fn left_behind(path: &Path, age: u64) -> bool {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|old| old.as_millis() > u128::from(age)))
}

/// Makes a file count as used now; returns its new stamp.
pub fn mark_used(path: &Path) -> Option<Stamp> {
    let file = OpenOptions::new().append(true).open(path).ok()?;
    file.set_modified(SystemTime::now()).ok()?;
    file.metadata().ok().map(|metadata| Stamp::of(&metadata))
}

/// The folder's one true name, for a folder that may not exist yet: its longest existing part, resolved, and the rest.
pub fn canonical(folder: &Path) -> PathBuf {
    let mut rest = Vec::new();
    let mut existing = folder;
    loop {
        if let Ok(resolved) = fs::canonicalize(existing) {
            return rest.iter().rev().fold(resolved, |path: PathBuf, part| path.join(part));
        }
        match (existing.parent(), existing.file_name()) {
            (Some(parent), Some(name)) => {
                rest.push(name);
                existing = parent;
            }
            _ => return folder.to_path_buf(),
        }
    }
}

/// Makes the folder, and those it lies in.
pub fn make_folder(folder: &Path) -> Result<(), CacheError> {
    Ok(fs::create_dir_all(folder)?)
}

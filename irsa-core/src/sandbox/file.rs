//! A state that is kept in a file: read before each call, replaced as a whole, locked while it is written.

use std::fs::{self, File};
use std::io::{ErrorKind as IoKind, Write};
use std::path::{Path, PathBuf};

use super::responses::Answer;
use super::state::SandboxState;
use crate::document::parse_strict;
use crate::error::{Error, ErrorKind, Result};

/// The file, and what it held when it was last read.
#[derive(Debug)]
pub(super) struct StateFile {
    path: PathBuf,
    cached: Option<(String, SandboxState)>,
}

impl StateFile {
    /// Opens a file that need not be there yet.
    pub(super) fn open(path: &Path) -> Result<Self> {
        // A link stays a link: what it points to is replaced.
        let path = match path.canonicalize() {
            Ok(path) => path,
            Err(_) => std::path::absolute(path).map_err(|error| refused(path, "find", &error))?,
        };
        if !path.parent().is_some_and(Path::is_dir) {
            let folder = path.parent().unwrap_or(&path).display().to_string();
            return Err(Error::invalid("sandbox file", path.display().to_string(), format!("{folder} is no folder")));
        }
        let mut file = Self { path, cached: None };
        file.read()?;
        Ok(file)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What the file holds now. A file that is not there, or is empty, holds a fresh state.
    pub(super) fn read(&mut self) -> Result<&SandboxState> {
        // A device or a pipe would be replaced by a file, or read for ever.
        if fs::metadata(&self.path).is_ok_and(|known| !known.is_file()) {
            return Err(Error::invalid("sandbox file", self.path.display().to_string(), "is no regular file"));
        }
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == IoKind::NotFound => String::new(),
            Err(error) => return Err(refused(&self.path, "read", &error)),
        };
        let kept = self.cached.take().filter(|(known, _)| *known == text);
        let current = match kept {
            Some(current) => current,
            None => {
                let state = parse(&self.path, &text)?;
                (text, state)
            }
        };
        Ok(&self.cached.insert(current).1)
    }

    /// Changes what the file holds now, with every other process kept out. A refused change writes nothing.
    pub(super) fn write<T>(&mut self, change: impl FnOnce(&mut SandboxState) -> Answer<T>) -> Result<Answer<T>> {
        let _lock = self.lock()?;
        let before = self.read()?;
        let mut state = before.clone();
        let answer = change(&mut state);
        // A file that somebody laid out by hand stays as it is while nothing changes.
        if answer.is_ok() && state != *before {
            let text = print(&state)?;
            self.replace(&text)?;
            self.cached = Some((text, state));
        }
        Ok(answer)
    }

    /// The lock is on a file of its own, since the state's file is another one after each write. It is never removed: a
    /// process that waits for it would otherwise hold the lock of a file that nobody finds any more.
    fn lock(&self) -> Result<Lock> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".lock");
        let path = self.path.with_file_name(name);
        let mut options = File::options();
        options.create(true).truncate(false).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, OWNER_ALONE);
        let file = options.open(&path);
        let locked = file.and_then(Lock::of);
        locked.map_err(|error| refused(&path, "lock", &error))
    }

    fn replace(&self, text: &str) -> Result<()> {
        let folder = self.path.parent().unwrap_or(&self.path);
        let written = new_file(folder).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            if let Ok(known) = fs::metadata(&self.path) {
                file.as_file().set_permissions(known.permissions())?;
            }
            file.persist(&self.path).map_err(|error| error.error)
        });
        written.map(drop).map_err(|error| refused(&self.path, "write", &error))
    }
}

/// Who may read and write a file that is made here. One that is there keeps its rights.
#[cfg(unix)]
const OWNER_ALONE: u32 = 0o600;

/// The lock of a file.
struct Lock(File);

impl Lock {
    /// Waits for it, whatever signals come meanwhile.
    fn of(file: File) -> std::io::Result<Self> {
        loop {
            match file.lock() {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                locked => return locked.map(|()| Self(file)),
            }
        }
    }
}

impl Drop for Lock {
    /// Closing the file would not do: a process that was forked meanwhile holds the same lock.
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the lock of a sandbox's file is kept until the file is closed everywhere");
        }
    }
}

fn new_file(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".irsa-sandbox-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(OWNER_ALONE));
    builder.tempfile_in(folder)
}

/// The text of a state, as it stands in the file.
pub(super) fn print(state: &SandboxState) -> Result<String> {
    let text = serde_json::to_string_pretty(state);
    let text =
        text.map_err(|e| Error::new(ErrorKind::Unexpected, "cannot print the sandbox's state").with_source(e))?;
    Ok(text + "\n")
}

fn parse(path: &Path, text: &str) -> Result<SandboxState> {
    if text.trim().is_empty() {
        return SandboxState::default().complete();
    }
    let broken = |error: Error| {
        let error = error.during(format!("cannot use the sandbox file {}", path.display()));
        error.with_hint("the file is left as it is: correct it, or remove it for a fresh sandbox")
    };
    // Only the strict reader sees a key that stands twice; only the typed one knows which keys there are.
    parse_strict("sandbox file", text).map_err(broken)?;
    let state = serde_json::from_str(text).map_err(|error| {
        let operation = format!("sandbox file is not valid at line {}, column {}", error.line(), error.column());
        broken(Error::new(ErrorKind::InvalidInput, operation).with_source(error))
    });
    state.and_then(|state: SandboxState| state.complete().map_err(broken))
}

fn refused(path: &Path, verb: &str, error: &std::io::Error) -> Error {
    let kind = match error.kind() {
        IoKind::PermissionDenied | IoKind::ReadOnlyFilesystem => ErrorKind::AccessDenied,
        IoKind::InvalidData | IoKind::IsADirectory | IoKind::NotADirectory => ErrorKind::InvalidInput,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, format!("cannot {verb} the sandbox file {}", path.display())).with_cause(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;
    use crate::Sandbox;
    use crate::name::RoleName;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn tag(sandbox: &Sandbox, key: &str) -> Result<()> {
        let role: RoleName = "r".parse()?;
        sandbox.edit(|state| {
            let trust = serde_json::json!({});
            let role = state.roles.entry(role).or_insert_with(|| super::super::RoleState::new(trust));
            role.tags.insert(key.to_owned(), String::new());
            Ok(())
        })
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_refused_and_left_alone() {
        let error = Sandbox::open("/dev/zero").unwrap_err();
        assert!(error.to_string().contains("is no regular file"), "{error}");
        assert!(!Path::new("/dev/zero.lock").exists());
    }

    #[test]
    fn what_one_handle_writes_the_other_reads() {
        let folder = folder();
        let path = folder.path().join("state.json");
        let (one, other) = (Sandbox::open(&path).unwrap(), Sandbox::open(&path).unwrap());
        assert!(!path.exists(), "reading makes no file");
        tag(&one, "a").unwrap();
        tag(&other, "b").unwrap();
        assert_eq!(one.state().unwrap(), other.state().unwrap());
        assert_eq!(one.state().unwrap().roles["r"].tags.len(), 2);
        assert_eq!(Sandbox::open(&path).unwrap().state().unwrap(), one.state().unwrap());
        let others: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(others.len(), 2, "only the file and its lock are left: {others:?}");
    }

    #[test]
    fn writers_at_the_same_time_lose_nothing() {
        const WRITERS: usize = 4;
        const WRITES: usize = 10;
        let folder = folder();
        let path = folder.path().join("state.json");
        let barrier = Barrier::new(WRITERS);
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (path, barrier) = (&path, &barrier);
                scope.spawn(move || {
                    let sandbox = Sandbox::open(path).unwrap();
                    barrier.wait();
                    for write in 0..WRITES {
                        tag(&sandbox, &format!("{writer}-{write}")).unwrap();
                    }
                });
            }
        });
        assert_eq!(Sandbox::open(&path).unwrap().state().unwrap().roles["r"].tags.len(), WRITERS * WRITES);
    }

    #[test]
    fn a_broken_file_is_named_with_its_place_and_left_alone() {
        for (text, place) in [
            ("{\n  \"roles\": {,}\n}", "line 2, column 13"),
            ("{\n  \"rolls\": {}\n}", "line 2, column 9"),
            ("{\"roles\": {\"r\": {\"trust_policy\": {}, \"trusts\": 1}}}", "line 1, column 45"),
            ("{\"account\": \"1\"}", "line 1, column 16"),
            ("{\"roles\": {}, \"roles\": {}}", "line 1, column 21"),
        ] {
            let folder = folder();
            let path = folder.path().join("state.json");
            let sandbox = Sandbox::open(&path).unwrap();
            fs::write(&path, text).unwrap();
            for error in [Sandbox::open(&path).unwrap_err(), tag(&sandbox, "a").unwrap_err()] {
                assert_eq!(error.kind(), ErrorKind::InvalidInput);
                assert!(error.to_string().contains("state.json") && error.hint().is_some(), "{error}");
                assert!(error.causes().concat().contains(place), "{text}: {:?}", error.causes());
            }
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn only_what_differs_needs_to_be_in_the_file() {
        let folder = folder();
        let path = folder.path().join("state.json");
        let text = "{ \"region\": \"cn-north-1\" }";
        fs::write(&path, text).unwrap();
        let sandbox = Sandbox::open(&path).unwrap();
        let state = sandbox.state().unwrap();
        assert_eq!(state.partition.as_str(), "aws-cn");
        let issuers: Vec<_> = state.providers.keys().map(|issuer| issuer.url()).collect();
        assert!(issuers[0].starts_with("https://oidc.eks.cn-north-1.amazonaws.com.cn/id/"), "{issuers:?}");
        sandbox.edit(|_| Ok(())).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "nothing changed, so nothing is written");
        fs::write(&path, "").unwrap();
        assert_eq!(sandbox.state().unwrap(), SandboxState::default());
    }

    #[test]
    fn what_cannot_be_a_file_is_refused() {
        let folder = folder();
        assert_eq!(Sandbox::open(folder.path()).unwrap_err().kind(), ErrorKind::InvalidInput);
        let lost = folder.path().join("no/such/folder.json");
        assert_eq!(Sandbox::open(lost).unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    #[cfg(unix)]
    #[test]
    fn new_files_are_the_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = folder();
        tag(&Sandbox::open(folder.path().join("state.json")).unwrap(), "a").unwrap();
        let modes: Vec<u32> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().permissions().mode() & 0o777)
            .collect();
        assert_eq!(modes, [0o600, 0o600], "the file and its lock");
    }

    #[cfg(unix)]
    #[test]
    fn links_and_rights_stay() {
        use std::os::unix::fs::PermissionsExt;
        let folder = folder();
        let (path, link) = (folder.path().join("state.json"), folder.path().join("link.json"));
        fs::write(&path, "{}").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        tag(&Sandbox::open(&link).unwrap(), "a").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::read_to_string(&path).unwrap().contains("\"a\""));
    }
}

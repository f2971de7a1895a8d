//! Many manifests: files, the files of folders, and streams, read as one.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::declared::Declared;
use super::read::read;
use crate::error::{Error, ErrorKind, Result};
use crate::input::{read_file, read_text};
use crate::name::{ClusterRef, Region};

/// The limit of one manifest, in bytes: that of some 100,000 bindings.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// The limit of a file that a manifest names, in bytes. IAM takes 131,072 characters of any document.
const MAX_NAMED_BYTES: u64 = 1024 * 1024;
/// The extensions of manifests in a folder.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// Opens a stream.
type Open<'a> = Box<dyn Fn() -> io::Result<Box<dyn Read + 'a>> + 'a>;

/// Where manifests are read from.
pub enum Source<'a> {
    /// A file, or a folder of `*.yaml`, `*.yml` and `*.json` files.
    Path(PathBuf),
    /// A stream, such as standard input.
    Stream {
        /// Its name in errors. Of several streams of one name, the first is read.
        name: String,
        /// Opens it.
        open: Open<'a>,
    },
}

impl std::fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Self::Stream { name, .. } => f.debug_struct("Stream").field("name", name).finish_non_exhaustive(),
        }
    }
}

/// What all sources declare together.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Manifests {
    /// The bindings, in the order of the sources.
    pub bindings: Vec<Declared>,
    /// What cannot be honoured, each with its place.
    pub ignored: Vec<String>,
    /// The region of the clusters, where a file names one.
    pub region: Option<Region>,
}

/// Reads all sources, each file once. Relative paths start from `directory`, those in a manifest from its own folder;
/// `cluster` is that of bindings that name none.
///
/// # Errors
/// `InvalidInput` with file, line and column of what is wrong, as [`read`] gives it; for a file that cannot be read, has more
/// than 64 MiB or is not UTF-8, for a folder without manifests, and for files of different regions.
pub fn read_all<'a>(
    sources: impl IntoIterator<Item = Source<'a>>,
    directory: &Path,
    cluster: Option<&ClusterRef>,
) -> Result<Manifests> {
    let mut all = Manifests::default();
    let (mut paths, mut streams) = (BTreeSet::new(), BTreeSet::new());
    for source in sources {
        match source {
            Source::Stream { name, open } => {
                if streams.insert(name.clone()) {
                    let text = read_text(&name, MAX_BYTES, open)?;
                    all.add(&name, &text, (directory, Path::new("")), cluster)?;
                }
            }
            Source::Path(path) => {
                for file in files(directory, &path)? {
                    // A file that does not exist is an error when it is read.
                    let real = directory.join(&file).canonicalize().unwrap_or_else(|_| file.clone());
                    if !paths.insert(real) {
                        continue;
                    }
                    let name = file.display().to_string();
                    let text = read_file(&directory.join(&file), &name, MAX_BYTES)?;
                    all.add(&name, &text, (directory, file.parent().unwrap_or(Path::new(""))), cluster)?;
                }
            }
        }
    }
    Ok(all)
}

impl Manifests {
    /// Adds what a text declares. The files that it names are in `folder`, which is a path from `directory`.
    fn add(
        &mut self,
        name: &str,
        text: &str,
        (directory, folder): (&Path, &Path),
        cluster: Option<&ClusterRef>,
    ) -> Result<()> {
        let named = |path: &str| {
            let path = folder.join(path);
            read_file(&directory.join(&path), &path.display().to_string(), MAX_NAMED_BYTES)
        };
        let manifest = read(name, text, cluster, &named)?;
        if let (Some(one), Some(other)) = (&self.region, &manifest.region)
            && one != other
        {
            let what = format!("{name} is for region {other}, another file for {one}");
            return Err(Error::new(ErrorKind::InvalidInput, what).with_hint("apply them one after the other"));
        }
        self.region = self.region.take().or(manifest.region);
        self.bindings.extend(manifest.bindings);
        self.ignored.extend(manifest.ignored);
        Ok(())
    }
}

/// The file itself, or the manifests of a folder in the order of their names. Folders in it are left out: they hold the
/// files that manifests name.
fn files(directory: &Path, path: &Path) -> Result<Vec<PathBuf>> {
    if !directory.join(path).is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let failed = |error: io::Error| {
        Error::new(ErrorKind::InvalidInput, format!("cannot read folder {}", path.display()))
            .with_cause(error.to_string())
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory.join(path)).map_err(failed)? {
        let file = path.join(entry.map_err(failed)?.file_name());
        let fits = |extension: &str| file.extension().is_some_and(|own| own.eq_ignore_ascii_case(extension));
        if EXTENSIONS.iter().any(|extension| fits(extension)) && !directory.join(&file).is_dir() {
            files.push(file);
        }
    }
    if files.is_empty() {
        let what = format!("{} holds no *.yaml, *.yml or *.json file", path.display());
        return Err(Error::new(ErrorKind::InvalidInput, what).with_hint("name a manifest, or a folder of them"));
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(name: &str, more: &str) -> String {
        format!("apiVersion: irsa.gen3.org/v1alpha1\nkind: IrsaBinding\nmetadata: {{name: {name}}}\nspec: {{{more}}}\n")
    }

    fn write(folder: &Path, name: &str, text: &str) {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn names(sources: Vec<Source<'_>>, folder: &Path) -> Vec<String> {
        let cluster = "demo".parse().unwrap();
        let read = read_all(sources, folder, Some(&cluster)).unwrap();
        read.bindings.iter().map(|declared| format!("{} {}", declared.place, declared.binding)).collect()
    }

    #[test]
    fn folders_hold_manifests_in_the_order_of_their_names_and_each_file_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write(folder, "m/b.yaml", &manifest("b", ""));
        write(folder, "m/a.YML", &manifest("a", "inlinePolicies: {p: {file: policies/p.json}}"));
        write(
            folder,
            "m/policies/p.json",
            r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}"#,
        );
        write(folder, "m/notes.txt", "no manifest");
        let open = || Ok(Box::new(io::Cursor::new(manifest("c", ""))) as Box<dyn Read>);
        let stream = || Source::Stream { name: "standard input".to_owned(), open: Box::new(open) };
        let sources = vec![stream(), Source::Path("m".into()), Source::Path("m/../m/b.yaml".into()), stream()];
        let expected = ["standard input:3:18 default/c", "m/a.YML:3:18 default/a", "m/b.yaml:3:18 default/b"];
        assert_eq!(names(sources, folder), expected);
    }

    #[test]
    fn what_cannot_be_read_is_named_as_it_was_given() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write(folder, "m/a.yaml", &manifest("a", "inlinePolicies: {p: {file: no.json}}"));
        write(folder, "utf16.yaml", "");
        std::fs::write(folder.join("utf16.yaml"), [0xFF, 0xFE, b'a', 0]).unwrap();
        std::fs::create_dir(folder.join("empty")).unwrap();
        for (path, words) in [
            ("no.yaml", "cannot read no.yaml there is no such file"),
            ("m/a.yaml", "m/no.json"),
            ("utf16.yaml", "cannot read utf16.yaml it is UTF-16"),
            ("empty", "empty holds no *.yaml, *.yml or *.json file"),
        ] {
            let cluster = "demo".parse().unwrap();
            let error = read_all([Source::Path(path.into())], folder, Some(&cluster)).unwrap_err();
            let text = format!("{error} {}", error.causes().join(" "));
            assert!(error.kind() == ErrorKind::InvalidInput && text.contains(words), "{text}");
        }
    }
}

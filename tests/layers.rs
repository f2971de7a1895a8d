//! The layers of the crates: a file uses what is below it, and nothing above or beside it.
//!
//! The arrows are read from the sources: every path and import is followed, through re-exports, to the file that defines the
//! name. Tests and comments do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The top-level modules of a crate by layer, the lowest first. Modules of one layer do not use each other.
struct Layers {
    /// The folder of the sources, seen from here.
    sources: &'static str,
    layers: &'static [&'static [&'static str]],
}

const IRSA_CORE: Layers = Layers {
    sources: "../irsa-core/src",
    layers: &[
        &["connection_limit", "hint", "invariants", "text", "url", "waiting"],
        &["name", "status"],
        &["report"],
        &["error"],
        &["tolerance"],
        &["backend", "document", "input", "proxy"],
        &["transport"],
        &["aws", "cluster_identity", "rate_limit", "retry"],
        &["kube", "ownership"],
        &["naming", "trust"],
        &["binding", "permissions", "sandbox"],
        &["service_account", "request"],
        &["manifest", "snapshot"],
        &["observe"],
        &["plan"],
        &["apply"],
        &["client"],
        &["batch", "connect", "provider"],
        &["inventory"],
    ],
};

const IRSA_CLI: Layers = Layers {
    sources: "../irsa-cli/src",
    layers: &[
        &["args", "console", "diff", "logging", "process", "source_map"],
        &["complete", "files", "spelling"],
        &["connect", "manifest_files", "printer"],
        &["answer", "parse", "requests"],
        &["commands", "exit", "output"],
        &["main"],
    ],
};

#[test]
fn the_files_of_irsa_cli_use_what_is_below_them() {
    let sources = read_sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(IRSA_CLI.sources));
    assert!(sources.len() > 40, "{}", sources.len());
    assert_eq!(faults(&sources, IRSA_CLI.layers), Vec::<String>::new());
}

#[test]
fn the_files_of_irsa_core_use_what_is_below_them() {
    let sources = read_sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(IRSA_CORE.sources));
    assert!(sources.len() > 100, "{}", sources.len());
    assert_eq!(faults(&sources, IRSA_CORE.layers), Vec::<String>::new());
}

/// A module by the names that lead to it from the root of its crate, such as `["trust", "audit"]`; the root has none.
type ModulePath = Vec<String>;

type Sources = BTreeMap<ModulePath, String>;

fn read_sources(root: &Path) -> Sources {
    let mut folders = vec![root.to_path_buf()];
    let mut sources = Sources::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let module = path.strip_prefix(root).unwrap().with_extension("");
                let mut module: ModulePath = module.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
                let _ = module.pop_if(|name| name == "lib" || name == "mod");
                sources.insert(module, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    sources
}

/// What is wrong with the arrows between these files, in words.
fn faults(sources: &Sources, layers: &[&[&str]]) -> Vec<String> {
    let arrows = Arrows::of(sources);
    let layer_of = |module: &str| layers.iter().position(|layer| layer.contains(&module));
    let mut faults = BTreeSet::new();
    let modules: BTreeSet<&str> = arrows.0.keys().filter_map(|file| file.first()).map(String::as_str).collect();
    for module in modules.iter().filter(|module| layer_of(module).is_none()) {
        faults.insert(format!("{module} is in no layer"));
    }
    for module in layers.iter().copied().flatten().filter(|module| !modules.contains(*module)) {
        faults.insert(format!("{module} is in a layer and does not exist"));
    }
    for (file, used) in &arrows.0 {
        for other in used {
            let (Some(here), Some(there)) = (file.first(), other.first()) else { continue };
            let (Some(layer), Some(other_layer)) = (layer_of(here), layer_of(there)) else { continue };
            let place = if other_layer > layer { "above" } else { "beside" };
            if here != there && other_layer >= layer {
                faults.insert(format!("{} uses {}, which is {place} it", file.join("/"), other.join("/")));
            }
        }
    }
    faults.extend(arrows.circles().iter().map(|files| format!("circle of {}", files.join(", "))));
    faults.into_iter().collect()
}

/// Which files each file uses, apart from itself.
struct Arrows(BTreeMap<ModulePath, BTreeSet<ModulePath>>);

impl Arrows {
    fn of(sources: &Sources) -> Self {
        let mut files: BTreeMap<ModulePath, File> =
            sources.iter().map(|(module, text)| (module.clone(), File::parse(text))).collect();
        let tests: Vec<ModulePath> =
            files.iter().flat_map(|(module, file)| file.test_modules.iter().map(|name| child(module, name))).collect();
        files.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
        let arrows = files.iter().filter(|(module, _)| !module.is_empty()).map(|(module, file)| {
            let paths = file.imports.iter().map(|import| &import.path).chain(&file.paths);
            let used = paths.filter_map(|path| definition(&files, module, path, 0)).filter(|other| other != module);
            (module.clone(), used.collect())
        });
        Self(arrows.collect())
    }

    /// Groups of files that use each other, whatever way round. What a module and its submodules use of each other does not
    /// count.
    fn circles(&self) -> BTreeSet<Vec<String>> {
        let related = |one: &ModulePath, other: &ModulePath| one.starts_with(other) || other.starts_with(one);
        let reachable: BTreeMap<&ModulePath, BTreeSet<&ModulePath>> = self
            .0
            .keys()
            .map(|file| {
                let (mut seen, mut next) = (BTreeSet::new(), vec![file]);
                while let Some(file) = next.pop() {
                    let used = self.0.get(file).into_iter().flatten().filter(|other| !related(file, other));
                    next.extend(used.filter(|other| seen.insert(*other)));
                }
                (file, seen)
            })
            .collect();
        let reaches = |one, other| reachable.get(one).is_some_and(|seen: &BTreeSet<_>| seen.contains(other));
        let circular = self.0.keys().filter(|file| reaches(*file, *file));
        circular
            .map(|file| self.0.keys().filter(|other| reaches(file, *other) && reaches(*other, file)))
            .map(|group| group.map(|file| file.join("/")).collect())
            .collect()
    }
}

fn child(module: &[String], name: &str) -> ModulePath {
    [module, &[name.to_owned()]].concat()
}

/// The module that defines what a path in another module names; nothing where it is outside of the crate.
fn definition(
    files: &BTreeMap<ModulePath, File>,
    module: &[String],
    path: &[String],
    depth: usize,
) -> Option<ModulePath> {
    const MAX_DEPTH: usize = 16;
    let (head, rest) = path.split_first()?;
    let (mut at, mut rest) = match head.as_str() {
        "crate" => (Vec::new(), rest),
        "self" => (module.to_vec(), rest),
        "super" => {
            let parent = module.split_last()?.1.to_vec();
            let more = rest.iter().take_while(|name| *name == "super").count();
            (parent[..parent.len().checked_sub(more)?].to_vec(), &rest[more..])
        }
        _ => (module.to_vec(), path),
    };
    let is_local = rest.len() < path.len();
    while let Some((name, more)) = rest.split_first() {
        let submodule = child(&at, name);
        if files.contains_key(&submodule) {
            (at, rest) = (submodule, more);
            continue;
        }
        let import = files.get(&at)?.imports.iter().find(|import| import.name == *name);
        return match import {
            Some(import) if depth < MAX_DEPTH && import.path != path => {
                definition(files, &at, &[&import.path[..], more].concat(), depth + 1)
            }
            // An item of this very file, or a name that is not of this crate.
            _ => (is_local || at != module).then_some(at),
        };
    }
    Some(at)
}

/// What a file uses.
#[derive(Default)]
struct File {
    imports: Vec<Import>,
    /// Paths of two or more names outside of imports.
    paths: Vec<Vec<String>>,
    /// The submodules that only tests have.
    test_modules: Vec<String>,
}

struct Import {
    path: Vec<String>,
    /// What it is called here; `*` where everything is imported.
    name: String,
}

impl File {
    fn parse(text: &str) -> Self {
        let mut file = Self::default();
        let tokens = file.without_tests(&tokens(text));
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let before = at.checked_sub(1).map_or("", |before| tokens[before].as_str());
            let has_more = tokens.get(at + 1).is_some_and(|next| next == "::");
            if token == "use" && ["", ";", "{", "}", "]", ")", "pub"].contains(&before) {
                at = file.import(&tokens, at + 1, &[]);
            } else if is_name(token) && has_more && before != "::" {
                let mut path = vec![token.clone()];
                while tokens.get(at + 1).is_some_and(|next| next == "::")
                    && tokens.get(at + 2).is_some_and(|name| is_name(name))
                {
                    path.push(tokens[at + 2].clone());
                    at += 2;
                }
                file.paths.push(path);
                at += 1;
            } else {
                at += 1;
            }
        }
        file
    }

    /// Reads one tree of a `use` and gives the place after it.
    fn import(&mut self, tokens: &[String], mut at: usize, prefix: &[String]) -> usize {
        let mut path = prefix.to_vec();
        loop {
            match tokens.get(at).map(String::as_str) {
                None | Some(";" | "," | "}") => return at,
                Some("{") => {
                    at += 1;
                    while tokens.get(at).is_some_and(|token| token != "}") {
                        at = self.import(tokens, at, &path);
                        at += usize::from(tokens.get(at).is_some_and(|token| token == ","));
                    }
                    return at + 1;
                }
                // Before the first name, it leads out of the crate.
                Some("::") if path.is_empty() => path.push("::".to_owned()),
                Some("::") => {}
                Some("as") => {
                    let name = tokens.get(at + 1).cloned().unwrap_or_default();
                    self.imports.push(Import { path, name });
                    return at + 2;
                }
                Some("*") => {
                    self.imports.push(Import { path, name: "*".to_owned() });
                    return at + 1;
                }
                Some(name) => {
                    let ends = !tokens.get(at + 1).is_some_and(|next| next == "::" || next == "as");
                    // `{self}` of a module is the module.
                    if name != "self" || path.is_empty() {
                        path.push(name.to_owned());
                    }
                    if ends {
                        let name = path.last().cloned().unwrap_or_default();
                        self.imports.push(Import { path, name });
                        return at + 1;
                    }
                }
            }
            at += 1;
        }
    }

    /// The tokens without the items that only tests have.
    fn without_tests(&mut self, tokens: &[String]) -> Vec<String> {
        const CFG_TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
        let mut kept = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            if !tokens[at..].iter().take(CFG_TEST.len()).eq(CFG_TEST) {
                kept.push(tokens[at].clone());
                at += 1;
                continue;
            }
            at += CFG_TEST.len();
            let (mut depth, mut item) = (0_usize, Vec::new());
            while let Some(token) = tokens.get(at) {
                at += 1;
                item.push(token.as_str());
                match token.as_str() {
                    "(" | "[" | "{" => depth += 1,
                    ")" | "]" => depth = depth.saturating_sub(1),
                    "}" => {
                        depth = depth.saturating_sub(1);
                        if depth == 0 {
                            break;
                        }
                    }
                    ";" | "," if depth == 0 => break,
                    _ => {}
                }
            }
            if let [.., "mod", name, ";"] = item[..] {
                self.test_modules.push(name.to_owned());
            }
        }
        kept
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Names and punctuation of Rust, without comments, literals and lifetimes.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after = |end: &str| rest.find(end).map_or(rest.len(), |at| at + end.len());
        let length = if rest.starts_with("//") {
            after("\n")
        } else if rest.starts_with("/*") {
            after("*/")
        } else if let Some(length) = literal(rest) {
            length
        } else if is_name(rest) {
            let name = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(rest[..name].to_owned());
            name
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

/// The length of the literal or lifetime that a text begins with, if it begins with one.
fn literal(text: &str) -> Option<usize> {
    let prefix = text.find(|c: char| !matches!(c, 'b' | 'c' | 'r')).filter(|length| *length <= 2)?;
    let (is_raw, quoted) = (text[..prefix].contains('r'), &text[prefix..]);
    let hashes = quoted.find(|c| c != '#')?;
    if is_raw && quoted[hashes..].starts_with('"') {
        let end = format!("\"{}", "#".repeat(hashes));
        let body = prefix + hashes + 1;
        return Some(text[body..].find(&end).map_or(text.len(), |at| body + at + end.len()));
    }
    let quote = quoted.chars().next().filter(|quote| ['"', '\''].contains(quote))?;
    let mut characters = quoted.char_indices().skip(1);
    // `'a` is a lifetime where no quote follows its first character.
    let is_lifetime = quote == '\'' && !quoted[1..].starts_with('\\') && quoted.chars().nth(2) != Some('\'');
    if is_lifetime {
        return Some(prefix + 1);
    }
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            _ if character == quote => return Some(prefix + at + 1),
            _ => {}
        }
    }
    Some(text.len())
}

mod checker {
    use super::*;

    const LAYERS: &[&[&str]] = &[&["low", "side"], &["high"]];

    fn check(sources: &[(&str, &str)]) -> Vec<String> {
        let known = [("low", ""), ("side", ""), ("high", "")];
        let sources = known.iter().chain(sources).map(|(path, text)| {
            let module = path.split('/').filter(|name| *name != "lib").map(str::to_owned).collect();
            (module, (*text).to_owned())
        });
        faults(&sources.collect(), LAYERS)
    }

    #[test]
    fn arrows_that_point_down_are_right() {
        let high = "use crate::low::Low;\nfn f() -> crate::side::Side { super::low::g() }";
        assert_eq!(check(&[("high", high), ("low", "pub struct Low;"), ("side", "pub struct Side;")]), [""; 0]);
    }

    #[test]
    fn an_arrow_that_points_up_is_a_fault() {
        for low in [
            "use crate::high::High;",
            "use crate::{high::{self, High}};",
            "pub(crate) use super::high as other;",
            "fn f() { crate::high::g() }",
            "fn f(h: super::high::High) {}",
            "use crate::high;\nfn f() { high::g() }",
            "use crate::high::*;",
            "const QUOTE: char = '\"';\nuse crate::high::High; // \"",
            "fn f<'a>(_: &'a str) -> crate::high::High<'a> {}",
        ] {
            assert_eq!(check(&[("low", low)])[0], "low uses high, which is above it", "{low}");
        }
    }

    #[test]
    fn an_arrow_beside_is_a_fault() {
        let found =
            check(&[("low", "mod part;"), ("low/part", "use crate::side::Side;"), ("side", "pub struct Side;")]);
        assert_eq!(found, ["low/part uses side, which is beside it"]);
    }

    #[test]
    fn a_module_without_a_layer_is_a_fault_and_so_is_a_layer_without_a_module() {
        assert_eq!(check(&[("new", "")]), ["new is in no layer"]);
        let sources = [(vec!["low".to_owned()], String::new())].into();
        assert_eq!(faults(&sources, &[&["low", "gone"]]), ["gone is in a layer and does not exist"]);
    }

    #[test]
    fn a_circle_is_a_fault_within_a_module_too() {
        let found = check(&[
            ("high", "mod a;\nmod b;\nmod c;"),
            ("high/a", "use super::b::B;"),
            ("high/b", "fn f() { super::c::g() }\npub struct B;"),
            ("high/c", "use crate::high::a;"),
        ]);
        assert_eq!(found, ["circle of high/a, high/b, high/c"]);
        let found = check(&[("high", "use crate::low::Low;"), ("low", "use crate::high::High;\npub struct Low;")]);
        assert_eq!(found, ["circle of high, low", "low uses high, which is above it"]);
    }

    #[test]
    fn parents_and_children_may_use_each_other() {
        assert_eq!(check(&[("high", "mod a;\nuse self::a::A;\nstruct H;"), ("high/a", "use super::H;")]), [""; 0]);
    }

    #[test]
    fn names_are_followed_through_re_exports() {
        let facade = "mod a;\nmod b;\npub use self::a::A;\npub(crate) use self::b::{B as Renamed};";
        let of = |b: &str| check(&[("high", facade), ("high/a", "use crate::high::Renamed;"), ("high/b", b)]);
        assert_eq!(of("pub struct B;"), [""; 0]);
        assert_eq!(of("use super::A;\npub struct B;"), ["circle of high/a, high/b"]);
        let root = ("lib", "mod high;\nmod low;\npub use self::high::High;");
        assert_eq!(check(&[root, ("low", "use crate::High;")]), ["low uses high, which is above it"]);
    }

    #[test]
    fn comments_literals_and_tests_do_not_count() {
        let low = r###"
            //! [`High`](crate::high::High)
            /* crate::high::High */
            const TEXT: &str = "use crate::high; \" crate::high::High";
            const RAW: &str = r#" " crate::high::High "#;
            #[cfg(test)]
            mod fixtures;
            #[cfg(test)]
            #[allow(unused)]
            mod tests { use crate::high::High; fn f() { if true {} crate::high::g() } }
            #[cfg(test)]
            use crate::high::High;
            fn f() { std::high::f() }
            use other::high::High;
            use ::high::High as Foreign;
        "###;
        assert_eq!(check(&[("low", low), ("low/fixtures", "use crate::high::High;")]), [""; 0]);
    }
}

//! Several patterns at once, as one automaton: every way in which one text can fit some of them and not the others.

use std::collections::{BTreeSet, VecDeque};

use super::glob::{Glob, Symbol};

/// The most states of the joint automaton of several patterns.
const STATES: usize = 2_000;
/// The most patterns that are put into one automaton, and the most work, in places of patterns, that is spent on it.
const JOINT: (usize, usize) = (400, 2_000_000);

impl Glob {
    fn alphabet(&self, into: &mut BTreeSet<char>) {
        for symbol in &*self.symbols {
            match symbol {
                Symbol::Char(c) => drop(into.insert(*c)),
                Symbol::Fold(c) => into.extend([*c, c.to_uppercase().next().unwrap_or(*c)]),
                Symbol::One | Symbol::Many => {}
            }
        }
    }

    /// The places that a text may have come to, without reading a character.
    fn settle(&self, places: &mut BTreeSet<usize>) {
        let mut work: Vec<usize> = places.iter().copied().collect();
        while let Some(at) = work.pop() {
            if self.symbols.get(at) == Some(&Symbol::Many) && places.insert(at + 1) {
                work.push(at + 1);
            }
        }
    }

    fn step(&self, places: &BTreeSet<usize>, c: char) -> BTreeSet<usize> {
        let mut next = BTreeSet::new();
        for at in places {
            match self.symbols.get(*at) {
                Some(Symbol::Many) => drop(next.insert(*at)),
                Some(symbol) if symbol.takes(c) => drop(next.insert(at + 1)),
                _ => {}
            }
        }
        self.settle(&mut next);
        next
    }
}

/// Every way in which one text can fit some of these patterns and not the others; nothing when there are too many to tell.
pub(in crate::trust) fn ways(globs: &[&Glob]) -> Option<BTreeSet<Vec<bool>>> {
    if globs.iter().all(|glob| glob.plain) {
        let same = |literal: &Glob| globs.iter().map(|glob| *glob == literal).collect();
        return Some(globs.iter().map(|literal| same(literal)).chain([vec![false; globs.len()]]).collect());
    }
    if globs.len() > JOINT.0 {
        return None;
    }
    let mut work_left = JOINT.1;
    let mut alphabet = BTreeSet::new();
    globs.iter().for_each(|glob| glob.alphabet(&mut alphabet));
    // One character stands for all that no pattern names.
    let other = ('\u{1}'..).find(|c| !alphabet.contains(c))?;
    alphabet.insert(other);
    let start: Vec<BTreeSet<usize>> = globs
        .iter()
        .map(|glob| {
            let mut places = BTreeSet::from([0]);
            glob.settle(&mut places);
            places
        })
        .collect();
    let (mut seen, mut work) = (BTreeSet::from([start.clone()]), VecDeque::from([start]));
    let mut found = BTreeSet::new();
    while let Some(state) = work.pop_front() {
        found.insert(globs.iter().zip(&state).map(|(glob, places)| places.contains(&glob.symbols.len())).collect());
        let places: usize = state.iter().map(|places| places.len() + 1).sum();
        work_left = work_left.checked_sub(places * alphabet.len())?;
        for c in &alphabet {
            let next: Vec<_> = globs.iter().zip(&state).map(|(glob, places)| glob.step(places, *c)).collect();
            if !seen.contains(&next) {
                if seen.len() == STATES {
                    return None;
                }
                seen.insert(next.clone());
                work.push_back(next);
            }
        }
    }
    Some(found)
}

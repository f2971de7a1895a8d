//! The algebra of subjects: unions of patterns less patterns, told too large where they would take too many.

use std::collections::HashSet;

use super::budget::Work;
use super::glob::Glob;

/// The most parts that a set is told by; beyond, it is told too large, and says so.
const MAX_PARTS: usize = 1024;

/// What fits a pattern and none of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) glob: Glob,
    pub(super) except: Vec<Glob>,
}

impl Region {
    pub(super) fn of(glob: Glob) -> Self {
        Self { glob, except: Vec::new() }
    }

    pub(super) fn contains(&self, subject: &str) -> bool {
        self.glob.matches(subject) && !self.except.iter().any(|glob| glob.matches(subject))
    }

    pub(super) fn is_empty(&self, work: &Work) -> bool {
        self.except.iter().any(|except| except.surely_covers(&self.glob, work))
    }

    /// Whether it has all that another one has; a yes is certain.
    fn has(&self, other: &Self, work: &Work) -> bool {
        let is_out = |except: &Glob| other.except.iter().any(|own| own.surely_covers(except, work));
        self.glob.surely_covers(&other.glob, work) && self.except.iter().all(is_out)
    }

    /// Without what fits a pattern that it meets.
    pub(super) fn less(mut self, gone: &Glob, work: &Work) -> Option<Self> {
        if gone.surely_covers(&self.glob, work) {
            return None;
        }
        if !self.except.iter().any(|known| known.surely_covers(gone, work)) {
            self.except.retain(|known| !gone.surely_covers(known, work));
            self.except.push(gone.clone());
        }
        Some(self)
    }

    /// Leaves out what the pattern does not have anyway, and what another exception has.
    pub(super) fn tidied(mut self, work: &Work) -> Option<Self> {
        if self.is_empty(work) {
            return None;
        }
        let meets = |except: &Glob| self.glob.intersect(except, work).is_none_or(|met| !met.is_empty());
        let mut kept: Vec<Glob> = Vec::new();
        for except in self.except.iter().filter(|except| meets(except)) {
            if !kept.iter().any(|known| known.surely_covers(except, work)) {
                kept.retain(|known| !except.surely_covers(known, work));
                kept.push(except.clone());
            }
        }
        self.except = kept;
        Some(self)
    }
}

/// A union of regions; too large where it could not be told exactly.
#[derive(Clone, Debug, Default)]
pub(super) struct Union {
    pub(super) regions: Vec<Region>,
    pub(super) exact: bool,
}

impl Union {
    pub(super) fn all() -> Self {
        Self { regions: vec![Region::of(Glob::all())], exact: true }
    }

    pub(super) fn nothing() -> Self {
        Self { regions: Vec::new(), exact: true }
    }

    /// What also fits one of some patterns.
    pub(super) fn within(self, globs: &[Glob], work: &Work) -> Self {
        let mut exact = self.exact;
        let mut regions = Vec::new();
        for region in &self.regions {
            if work.is_spent() {
                return Self { regions: self.regions, exact: false };
            }
            for glob in globs {
                let met = region.glob.intersect(glob, work).unwrap_or_else(|| {
                    exact = false;
                    vec![region.glob.clone()]
                });
                let each = met.into_iter().map(|glob| Region { glob, except: region.except.clone() });
                regions.extend(each.filter_map(|region| region.tidied(work)));
                if regions.len() > MAX_PARTS {
                    // The whole of what there was is more, and true.
                    return Self { regions: self.regions, exact: false };
                }
            }
        }
        Self { regions, exact }.tidied(work)
    }

    /// What fits none of some patterns.
    pub(super) fn without(mut self, globs: &[Glob], work: &Work) -> Self {
        work.spend(self.regions.len() * globs.len());
        self.regions = self
            .regions
            .into_iter()
            .filter_map(|mut region| {
                region.except.extend(globs.iter().cloned());
                region.tidied(work)
            })
            .collect();
        self
    }

    /// What is not in another union. That one must be exact, or told too small.
    pub(super) fn minus(self, other: &Self, work: &Work) -> Self {
        let (whole, mut left, mut split) = (self.regions.clone(), self, false);
        for gone in &other.regions {
            if work.is_spent() {
                // Fewer parts than what is left of them, and more.
                return Self { regions: whole, exact: false };
            }
            work.spend(left.regions.len());
            if gone.except.is_empty() {
                left.regions.retain(|region| !gone.glob.surely_covers(&region.glob, work));
            }
            let meets = |region: &Region| region.glob.intersect(&gone.glob, work).is_none_or(|met| !met.is_empty());
            let met: Vec<bool> = left.regions.iter().map(meets).collect();
            if !met.contains(&true) {
                continue;
            }
            split = true;
            let (mut regions, mut exact) = (Vec::new(), left.exact);
            for (region, met) in left.regions.iter().zip(met) {
                if !met {
                    regions.push(region.clone());
                    continue;
                }
                // What is outside of the pattern, and what is inside but among its exceptions.
                regions.extend(region.clone().less(&gone.glob, work));
                for back in &gone.except {
                    let met = region.glob.intersect(back, work).unwrap_or_else(|| {
                        exact = false;
                        vec![region.glob.clone()]
                    });
                    let each = met.into_iter().map(|glob| Region { glob, except: region.except.clone() });
                    regions.extend(each.filter_map(|region| region.tidied(work)));
                }
            }
            if regions.len() > MAX_PARTS {
                return Self { regions: whole, exact: false };
            }
            left = Self { regions, exact };
        }
        if split { left.tidied(work) } else { left }
    }

    /// Nothing, where it is told too large.
    pub(super) fn or_nothing(self) -> Self {
        if self.exact { self } else { Self::nothing() }
    }

    pub(super) fn and(mut self, other: Self, work: &Work) -> Self {
        self.exact &= other.exact;
        self.regions.extend(other.regions);
        self.tidied(work)
    }

    /// Leaves out regions that others have.
    pub(super) fn tidied(mut self, work: &Work) -> Self {
        if self.regions.len() < 2 || work.is_spent() {
            return self;
        }
        let is_one = |region: &Region| region.except.is_empty() && region.glob.is_literal();
        let mut wide: Vec<&Region> = Vec::new();
        for region in self.regions.iter().filter(|region| !is_one(region)) {
            if !wide.iter().any(|known| known.has(region, work)) {
                wide.retain(|known| !region.has(known, work));
                wide.push(region);
            }
        }
        // Single subjects are many, and are told apart by looking at them.
        let mut seen: HashSet<&Glob> = HashSet::with_capacity(self.regions.len());
        let kept: Vec<bool> = self
            .regions
            .iter()
            .map(|region| match is_one(region) {
                true => seen.insert(&region.glob) && !wide.iter().any(|known| known.has(region, work)),
                false => wide.iter().any(|known| std::ptr::eq(*known, region)),
            })
            .collect();
        let mut kept = kept.into_iter();
        self.regions.retain(|_| kept.next().unwrap_or(true));
        self
    }
}

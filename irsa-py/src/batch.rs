//! Many bindings at once: those that are given, and those that their applyset no longer declares.

use std::collections::BTreeSet;

use irsa_core::name::{ClusterRef, Region};
use irsa_core::{
    Client, Error, ErrorKind, FleetOptions, IrsaBinding, Progress, Prunable, Request, Result, Warning, check_fleet,
};
use pyo3::prelude::*;

use crate::argument::{Given, named};
use crate::binding::{Binding, Wish};
use crate::client::{Permit, servers};
use crate::data::items;
use crate::error::{Failure, invalid};
use crate::fleet::{All, Far, One};
use crate::manifest::{Manifest, Origin};
use crate::reach::Reaching;
use crate::runtime::Teller;
use crate::spelling::Keywords;

/// What is done with the bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Apply,
    Prune,
    ApplyAndPrune,
}

/// How a batch is worked on.
#[derive(FromPyObject)]
pub(crate) struct Settings<'py> {
    concurrency: Given<'py, usize>,
    writes_per_second: Given<'py, f64>,
    applyset: Option<Given<'py, String>>,
    apply: Given<'py, bool>,
    prune: Given<'py, bool>,
    confirm_prune: Given<'py, bool>,
    dry_run: Given<'py, bool>,
}

/// Many bindings, and what is to be done with them.
pub(crate) struct Batch {
    requests: Vec<Request>,
    /// Where the bindings of a manifest are declared.
    origins: Vec<Origin>,
    region: Option<Region>,
    warnings: Vec<Warning>,
    options: FleetOptions,
    work: Work,
    applyset: Option<String>,
    confirmed: bool,
    dry_run: bool,
}

impl Batch {
    /// Reads the arguments and refuses what needs no call.
    pub(crate) fn of(
        cluster: &ClusterRef,
        bindings: &Bound<'_, PyAny>,
        permit: Permit,
        settings: Settings<'_>,
    ) -> PyResult<Self> {
        let Settings { concurrency, writes_per_second, applyset, apply, prune, confirm_prune, dry_run } = settings;
        named!(concurrency, writes_per_second, applyset, apply, prune, confirm_prune, dry_run);
        let work = match (apply, prune) {
            (true, false) => Work::Apply,
            (true, true) => Work::ApplyAndPrune,
            (false, _) => Work::Prune,
        };
        if applyset.is_none() && work != Work::Apply {
            return Err(invalid("prune: needs applyset, the set whose bindings are removed".to_owned()).into());
        }
        let (wishes, origins, region, warnings) = declared(bindings)?;
        let request = |wish: IrsaBinding, origin: Option<&Origin>| {
            let mut request = permit.on(Request::create(wish)).with_dry_run(dry_run.into());
            if let Some(origin) = origin {
                request = request.with_existing_role(origin.existing_role.clone());
                for (name, by) in &origin.replaced_policies {
                    request = request.replacing_policy(name, by.as_deref())?;
                }
            }
            match &applyset {
                Some(set) => request.with_set(set),
                None => Ok(request),
            }
        };
        let mut requests = Vec::with_capacity(wishes.len());
        for (index, wish) in wishes.iter().enumerate() {
            requests
                .push(request(wish.on(cluster).map_err(Failure::from)?, origins.get(index)).map_err(Failure::from)?);
        }
        let options = options(concurrency, writes_per_second)?;
        let confirmed = confirm_prune || dry_run;
        let batch = Self { requests, origins, region, warnings, options, work, applyset, confirmed, dry_run };
        let clash = check_fleet(&batch.requests).map_err(|error| batch.placed(error, ErrorKind::InvalidInput));
        clash.map_err(Failure::from)?;
        Ok(batch)
    }

    /// The clusters whose API servers are needed, and the region that the client must be of.
    pub(crate) fn reaching(&self) -> Reaching {
        let needed: BTreeSet<ClusterRef> = self.requests.iter().flat_map(servers).collect();
        let every: BTreeSet<ClusterRef> = self.requests.iter().flat_map(Request::clusters).collect();
        // What a prune removes may have accounts where only roles are declared now: they are looked at if a way leads there.
        let wished = self.work != Work::Apply && !needed.is_empty();
        Reaching {
            needed: needed.into_iter().collect(),
            wished: if wished { every.into_iter().collect() } else { Vec::new() },
            region: self.region.clone(),
        }
    }

    /// Does the work.
    pub(crate) async fn run(mut self, client: Client, teller: Teller) -> Result<All> {
        self.find_roles(&client).await?;
        let mut warnings = std::mem::take(&mut self.warnings);
        let mut requests = if self.work == Work::Prune { Vec::new() } else { self.requests.clone() };
        if let (Some(set), true) = (&self.applyset, self.work != Work::Apply) {
            let prunable = client.prunable(set, &self.requests).await?;
            self.confirm(set, &prunable)?;
            warnings.extend(prunable.warnings.into_iter().map(|warning| warning.spelt(&Keywords)));
            requests.extend(prunable.requests.into_iter().map(|request| request.with_dry_run(self.dry_run.into())));
        }
        let tell = |progress: Progress<'_>| {
            if let Progress::Ended { index, entry, done, total } = progress {
                teller.tell(Far { done, total, index, entry: One::of(entry, self.dry_run) });
            }
        };
        let report = client.apply_all(&requests, &self.options, &tell).await;
        // What only resolving the clusters shows was not refused from the input alone.
        let report = report.map_err(|error| self.placed(error, ErrorKind::Conflict))?;
        Ok(All::of(&report, self.dry_run, warnings))
    }

    /// Finds the roles that eksctl has made.
    async fn find_roles(&mut self, client: &Client) -> Result<()> {
        let made = self.origins.iter().enumerate().filter(|(_, origin)| origin.made_by_eksctl);
        let made: Vec<usize> = made.map(|(index, _)| index).collect();
        let bindings: Vec<IrsaBinding> = made.iter().map(|index| self.requests[*index].binding.clone()).collect();
        for (index, role) in made.into_iter().zip(client.finding_roles(&bindings).await?) {
            self.requests[index].binding.role_name = role;
        }
        Ok(())
    }

    fn confirm(&self, set: &str, prunable: &Prunable) -> Result<()> {
        let (removed, most) = (prunable.requests.len(), Prunable::CONFIRMED_ABOVE);
        if self.confirmed || removed <= most {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Conflict, format!("applyset {set} is not pruned, and nothing was changed"))
            .with_cause(format!("{removed} bindings would be removed, more than {most}"))
            .with_hint("look at what dry_run=True returns, then give confirm_prune=True"))
    }

    /// An error of two bindings of a manifest as one of a kind, with their places; any other as it is.
    fn placed(&self, error: Error, kind: ErrorKind) -> Error {
        let place = |which: &str| {
            let (_, at) = error.context().iter().find(|(key, _)| *key == which)?;
            self.origins.get(at.parse::<usize>().ok()?).map(|origin| origin.place.as_str())
        };
        let (Some(first), Some(second)) = (place("first"), place("second")) else { return error };
        let mut placed = Error::new(kind, format!("{second}: {error} (the other is at {first})"));
        if let Some(cause) = error.causes().into_iter().next() {
            placed = placed.with_cause(cause);
        }
        match error.hint() {
            Some(hint) => placed.with_hint(hint.clone()),
            None => placed,
        }
    }
}

/// The bindings of a list or of a manifest, and what else a manifest holds.
type Declared = (Vec<Wish>, Vec<Origin>, Option<Region>, Vec<Warning>);

fn declared(bindings: &Bound<'_, PyAny>) -> PyResult<Declared> {
    if let Ok(manifest) = bindings.cast::<Manifest>() {
        let manifest = manifest.get().0.clone();
        return Ok((manifest.bindings, manifest.origins, manifest.region, manifest.warnings));
    }
    let mut wishes = Vec::new();
    for (index, item) in items("bindings", bindings)?.iter().enumerate() {
        let binding = crate::argument::object::<Binding>(&format!("bindings[{index}]"), "a Binding", item)?;
        wishes.push(binding.get().0.clone());
    }
    Ok((wishes, Vec::new(), None, Vec::new()))
}

fn options(concurrency: usize, writes_per_second: f64) -> PyResult<FleetOptions> {
    let slowest = FleetOptions::MIN_WRITES_PER_SECOND;
    let paced = writes_per_second.is_finite() && (writes_per_second == 0.0 || writes_per_second >= slowest);
    if concurrency == 0 || !paced {
        let rule = format!("concurrency must be 1 or more, writes_per_second 0 (no limit) or at least {slowest}");
        let what = format!("{rule}; not {concurrency} and {writes_per_second}");
        return Err(pyo3::exceptions::PyValueError::new_err(what));
    }
    Ok(FleetOptions::new().with_concurrency(concurrency).with_writes_per_second(writes_per_second))
}

//! Plans on disk: `STATE/plans/<id>.json`, canonical bytes.

use crate::{Environment, Error, PlanMade};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use vmwright_model::Plan;

/// The largest plan file that is read, in bytes.
const LIMIT: u64 = 16 << 20;

/// Keeps a plan.
pub(crate) fn keep(plan: Plan, environment: &Environment) -> Result<PlanMade, Error> {
    let id = vmwright_plan::plan_id(&plan);
    let folder = environment.path("plans");
    let path = folder.join(format!("{id}.json"));
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(&folder)?;
        let new = folder.join(format!(".{id}.new"));
        let mut file = File::create(&new)?;
        file.write_all(&vmwright_plan::canonical(&plan))?;
        file.sync_all()?;
        fs::rename(&new, &path)
    };
    write().map_err(|source| Error::File { path: path.clone(), source })?;
    Ok(made(plan, id, path))
}

/// The plan that a user names: by id, by the beginning of one, or by path.
pub(crate) fn load(name: &str, environment: &Environment) -> Result<PlanMade, Error> {
    let path = match Path::new(name) {
        path if name.contains('/') || path.extension().is_some() => path.to_owned(),
        _ => by_id(name, &environment.path("plans"))?,
    };
    let read = || -> std::io::Result<Vec<u8>> {
        let file = File::open(&path)?;
        let mut bytes = Vec::new();
        file.take(LIMIT + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|source| Error::File { path: path.clone(), source })?;
    let (plan, id) =
        vmwright_plan::parse(&bytes).map_err(|source| Error::PlanFile { path: path.clone(), source })?;
    Ok(made(plan, id, path))
}

fn made(plan: Plan, id: String, path: PathBuf) -> PlanMade {
    let preview = vmwright_plan::preview(&plan);
    PlanMade { id, path, plan, preview }
}

fn by_id(prefix: &str, folder: &Path) -> Result<PathBuf, Error> {
    let hex = prefix.len() >= 4 && prefix.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut found: Vec<PathBuf> = match fs::read_dir(folder) {
        Ok(entries) if hex => entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| {
                let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("");
                path.extension().is_some_and(|extension| extension == "json") && stem.starts_with(prefix)
            })
            .collect(),
        _ => Vec::new(),
    };
    match (found.pop(), found.is_empty()) {
        (Some(path), true) => Ok(path),
        (Some(_), false) => Err(Error::PlanAmbiguous(prefix.to_owned())),
        (None, _) => Err(Error::PlanUnknown(prefix.to_owned())),
    }
}

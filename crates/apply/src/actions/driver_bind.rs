//! Gives a PCI function to another driver.

use super::value::Value;
use super::{Act, ActionError, World};
use std::io::ErrorKind;
use vmwright_model::Action;
use vmwright_model::plan::Binding;

/// See [`Action::DriverBind`].
pub(super) struct DriverBind<'a> {
    pub(super) device: &'a str,
    pub(super) from: &'a Binding,
    pub(super) to: &'a Binding,
}

impl DriverBind<'_> {
    fn attribute(&self, name: &str) -> String {
        format!("/sys/bus/pci/devices/{}/{name}", self.device)
    }

    fn found(&self, world: &World<'_>) -> Result<Binding, ActionError> {
        let path = self.attribute("driver_override");
        let only = Value { path: &path, name: format!("device {}", self.device) }.read(world)?;
        let driver = match world.system.link(&self.attribute("driver")) {
            Ok(driver) => Some(driver),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(source) => {
                return Err(ActionError::Io { path: self.attribute("driver"), what: "read", source });
            }
        };
        // The kernel prints an absent one so: `driver_override_show` in drivers/pci/pci-sysfs.c.
        Ok(Binding { driver, only: Some(only).filter(|only| !matches!(&**only, "" | "(null)")) })
    }

    fn must_be(&self, world: &World<'_>, expected: &Binding) -> Result<(), ActionError> {
        let found = self.found(world)?;
        if found == *expected {
            return Ok(());
        }
        Err(ActionError::Drift {
            what: format!("the driver of {}", self.device),
            expected: told(expected),
            found: told(&found),
        })
    }

    fn undo(&self) -> Action {
        Action::DriverBind { device: self.device.to_owned(), from: self.to.clone(), to: self.from.clone() }
    }

    /// The state to begin with: as expected, or on the way there, which is what the action that this one takes back
    /// leaves where it is cut off.
    fn begin(&self, world: &World<'_>) -> Result<Binding, ActionError> {
        let found = self.found(world)?;
        let on_the_way =
            found.only == self.from.only && (found.driver.is_none() || found.driver == self.to.driver);
        if found == *self.from || on_the_way {
            return Ok(found);
        }
        self.must_be(world, self.from).map(|()| found)
    }

    /// That nobody has it open. From a driver of VFIO's the kernel takes a device only once that is so, and whoever asks for it
    /// waits in the kernel until then (`vfio_unregister_group_dev` in drivers/vfio/vfio_main.c).
    fn must_be_free(&self, world: &World<'_>, driver: &str) -> Result<(), ActionError> {
        if !driver.contains("vfio") {
            return Ok(());
        }
        let holder = world.system.holder(self.device);
        let holder =
            holder.map_err(|source| ActionError::Io { path: "/proc".to_owned(), what: "list", source })?;
        let device = self.device.to_owned();
        holder.map_or(Ok(()), |holder| Err(ActionError::Held { device, holder }))
    }

    fn write(&self, world: &World<'_>, path: &str, value: &str) -> Result<(), ActionError> {
        Value { path, name: path.to_owned() }.write(world, value)
    }
}

impl Act for DriverBind<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        self.must_be(world, self.from)?;
        Ok(self.undo())
    }

    fn resume(&self, world: &World<'_>) -> Result<Action, ActionError> {
        self.begin(world)?;
        Ok(self.undo())
    }

    /// Kernel, Documentation/ABI/testing/sysfs-bus-pci: the override first, so that no other driver takes the device
    /// while it is free.
    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.undo() != *undo {
            return Err(ActionError::OtherUndo);
        }
        let found = self.begin(world)?;
        if let Some(driver) =
            found.driver.as_deref().filter(|driver| Some(*driver) != self.to.driver.as_deref())
        {
            self.must_be_free(world, driver)?;
        }
        if found.only != self.to.only {
            let only = self.to.only.as_deref().unwrap_or_default();
            self.write(world, &self.attribute("driver_override"), &format!("{only}\n"))?;
        }
        if found.driver == self.to.driver {
            return Ok(());
        }
        if found.driver.is_some() {
            self.write(world, &self.attribute("driver/unbind"), self.device)?;
        }
        match &self.to.driver {
            Some(driver) => self.write(world, &format!("/sys/bus/pci/drivers/{driver}/bind"), self.device),
            None => Ok(()),
        }
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        self.must_be(world, self.to)
    }
}

fn told(binding: &Binding) -> String {
    let driver = binding.driver.as_deref().unwrap_or("none");
    match &binding.only {
        Some(only) => format!("{driver} (kept for {only})"),
        None => driver.to_owned(),
    }
}

//! What people read above and below the table. The table itself is the library's.

use cuda_primary_context::{Device, Outcome, Report};

use crate::chosen_driver::ChosenDriver;

/// Returns the lines above the table: the driver, the kept device, and the strays that this program created.
pub fn heading(chosen: &ChosenDriver, strays: &[u32], verb: &str, device: Device) -> String {
    let driver = device.driver();
    let name = device.name().unwrap_or_else(|_| "of unknown name".to_owned());
    let address = device.pci_bus_id().unwrap_or_else(|_| "unknown".to_owned());
    let mut text = format!(
        "driver {} (CUDA {}{})\n{verb}   device {}, {name}, PCI {address}\n",
        driver.path().display(),
        driver.version(),
        if chosen.is_simulated() { ", simulated" } else { "" },
        device.ordinal(),
    );
    if !strays.is_empty() {
        let strays: Vec<String> = strays.iter().map(u32::to_string).collect();
        text += &format!("stray  created by this example on {} (see --stray)\n", strays.join(", "));
    }
    text + "\n"
}

/// Returns a warning that names the devices whose context is still active.
pub fn still_active(report: &Report) -> Option<String> {
    let is_active = |outcome: &Outcome| matches!(outcome, Outcome::StillActive { .. });
    let lines = report.devices().filter(|line| is_active(line.outcome()));
    let devices: Vec<String> = lines.map(|line| line.ordinal().to_string()).collect();
    (!devices.is_empty()).then(|| {
        format!(
            "Contexts are still active on these devices: {}. Other code in this process holds references to \
             them. cuda-contexts trace shows which.",
            devices.join(", ")
        )
    })
}

//! The first lines of the output for people; the table itself is the library's.

use cuda_primary_context::Device;

use crate::chosen_driver::ChosenDriver;

/// Returns the lines above the table: the driver, the kept device, and the strays that were left first.
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
        text += &format!("stray  contexts left first, on {} (see --stray)\n", strays.join(", "));
    }
    text + "\n"
}

//! Frozen values: what the crate says, as the fields of a JSON object. A Python object is made of a field when
//! it is read.

use cuda_primary_context::sys::CUresult;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{IntoPyObjectExt, PyClass};
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::error;
use crate::number::{BYTES, number};

/// What a value consists of. Two values of a class are equal if their JSON is, but for a device's name.
#[derive(Debug, Default)]
pub struct Fields {
    pub json: Map<String, Json>,
    /// What `str()` of the value returns, if that is not its `repr()`; then what it returns of each of its devices.
    pub texts: Vec<String>,
}

impl Fields {
    /// The fields of what serialises as an object.
    pub fn of(value: &impl Serialize, texts: Vec<String>) -> PyResult<Self> {
        match serde_json::to_value(value).map_err(not_json)? {
            Json::Object(json) => Ok(Self { json, texts }),
            other => Err(PyValueError::new_err(format!("{other} is no JSON object"))),
        }
    }

    /// The fields that `pickle` stored.
    pub fn parse(json: &str, texts: Vec<String>) -> PyResult<Self> {
        Ok(Self { json: serde_json::from_str(json).map_err(not_json)?, texts })
    }

    /// What is compared: not a device's name, which reports do not have.
    pub fn compared(&self) -> impl Iterator<Item = (&String, &Json)> {
        let is_device = self.json.contains_key("pci_bus_id");
        self.json.iter().filter(move |(name, _)| !is_device || *name != "name")
    }

    /// What `str()` of the value returns, if that is not its `repr()`.
    pub fn text(&self) -> Option<String> {
        let call = self.json.get("call").and_then(Json::as_str);
        match call.zip(self.json.get("code").and_then(Json::as_u64)) {
            Some((call, code)) => Some(format!("{call}: {}", CUresult(code as u32))),
            None => self.texts.first().cloned(),
        }
    }

    /// As JSON text, in one line.
    pub fn to_json(&self) -> PyResult<String> {
        serde_json::to_string(&self.json).map_err(not_json)
    }

    /// The class and these fields; of what has a summary, that alone.
    pub fn repr(&self, py: Python<'_>, class: &str, names: &[&str]) -> PyResult<String> {
        if let Some(Json::String(summary)) = self.json.get("summary") {
            return Ok(format!("<{class} {summary}>"));
        }
        let shown = names.iter().map(|name| Ok(format!("{name}={}", self.get(py, name)?.repr()?)));
        Ok(format!("{class}({})", shown.collect::<PyResult<Vec<_>>>()?.join(", ")))
    }

    /// The objects in this field.
    pub fn list(&self, name: &str) -> &[Json] {
        self.json.get(name).and_then(Json::as_array).map_or(&[], |list| list)
    }

    /// The field as a Python object; `None` if it does not apply to this value.
    pub fn get<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        // Python has a keyword `from`.
        let name = if name == "from_device" { "from" } else { name };
        match self.json.get(name) {
            None | Some(Json::Null) => Ok(py.None().into_bound(py)),
            Some(error) if name == "error" => error::instance(py, error),
            Some(object @ Json::Object(_)) => match name {
                "driver" => object_of::<Driver>(py, object),
                "kept" => object_of::<Device>(py, object),
                _ => object_of::<CurrentContext>(py, object),
            },
            Some(Json::Array(list)) => match name {
                "calls" => tuple_of::<Call>(py, list),
                "holders" => tuple_of::<Holder>(py, list),
                "steps" => tuple_of::<StepReport>(py, list),
                "device_files" => tuple_of::<DeviceFile>(py, list),
                "devices" if self.json.contains_key("dry_run") => {
                    tuple_of::<PlannedDevice>(py, list)
                }
                _ => {
                    let mut texts = self.texts.iter().skip(1);
                    let fields = list.iter().map(|device| {
                        Fields::of(device, texts.next().cloned().into_iter().collect())
                    });
                    tuple_of_fields::<DeviceReport>(py, fields)
                }
            },
            Some(Json::String(text)) => text.into_bound_py_any(py),
            Some(Json::Bool(truth)) => truth.into_bound_py_any(py),
            Some(Json::Number(number)) => match number.as_u64() {
                Some(whole) => whole.into_bound_py_any(py),
                None => number.as_f64().into_bound_py_any(py),
            },
        }
    }
}

/// A class of values.
pub trait Value: PyClass + Into<PyClassInitializer<Self>> {
    fn new(fields: Fields) -> Self;

    fn fields(&self) -> &Fields;
}

pub fn object_of<'py, T: Value>(
    py: Python<'py>,
    value: &impl Serialize,
) -> PyResult<Bound<'py, PyAny>> {
    Ok(Bound::new(py, T::new(Fields::of(value, Vec::new())?))?.into_any())
}

/// A value of the class for each.
pub fn tuple_of<'py, T: Value>(
    py: Python<'py>,
    all: impl IntoIterator<Item = impl Serialize>,
) -> PyResult<Bound<'py, PyAny>> {
    tuple_of_fields::<T>(py, all.into_iter().map(|each| Fields::of(&each, Vec::new())))
}

fn tuple_of_fields<'py, T: Value>(
    py: Python<'py>,
    all: impl Iterator<Item = PyResult<Fields>>,
) -> PyResult<Bound<'py, PyAny>> {
    let values = all.map(|fields| Bound::new(py, T::new(fields?)));
    Ok(PyTuple::new(py, values.collect::<PyResult<Vec<_>>>()?)?.into_any())
}

/// Plain data, as `json.loads` makes it of JSON text.
pub fn plain(py: Python<'_>, json: String) -> PyResult<Bound<'_, PyAny>> {
    py.import("json")?.call_method1("loads", (json,))
}

pub fn not_json(error: serde_json::Error) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// What every class of values can do, and its fields.
macro_rules! methods {
    ($class:ident { $($field:ident),* } { $($method:item)* }) => {
        #[pymethods]
        #[allow(clippy::wrong_self_convention, reason = "from_device is a name of Python's")]
        impl $class {
            $(
                #[getter]
                fn $field<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                    self.fields().get(py, stringify!($field))
                }
            )*

            /// Returns the JSON object that the Rust crate makes of it.
            fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                $crate::value::plain(py, self.to_json()?)
            }

            /// Returns that object as text, in one line.
            fn to_json(&self) -> PyResult<String> {
                self.fields().to_json()
            }

            fn __eq__(&self, other: PyRef<'_, Self>) -> bool {
                self.fields().compared().eq(other.fields().compared())
            }

            fn __hash__(&self) -> u64 {
                let mut hasher = std::hash::DefaultHasher::new();
                self.fields().compared().for_each(|field| std::hash::Hash::hash(&field, &mut hasher));
                std::hash::Hasher::finish(&hasher)
            }

            fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
                self.fields().repr(py, stringify!($class), &[$(stringify!($field)),*])
            }

            fn __str__(&self, py: Python<'_>) -> PyResult<String> {
                self.fields().text().map_or_else(|| self.__repr__(py), Ok)
            }

            fn __reduce__<'py>(
                slf: &Bound<'py, Self>,
            ) -> PyResult<(Bound<'py, PyAny>, (String, Vec<String>))> {
                let (restore, value) = (slf.get_type().getattr("_restore")?, slf.get());
                Ok((restore, (value.to_json()?, value.fields().texts.clone())))
            }

            #[staticmethod]
            fn _restore(json: &str, texts: Vec<String>) -> PyResult<Self> {
                Ok(Self::new($crate::value::Fields::parse(json, texts)?))
            }

            $($method)*
        }
    };
}
pub(crate) use methods;

macro_rules! values {
    ($(
        $(#[$documentation:meta])*
        $class:ident in $module:tt { $($field:ident),* } $({ $($method:item)* })?
    )*) => {$(
        $(#[$documentation])*
        #[pyclass(frozen, module = $module)]
        #[derive(Debug)]
        pub struct $class(Fields);

        impl Value for $class {
            fn new(fields: Fields) -> Self {
                Self(fields)
            }

            fn fields(&self) -> &Fields {
                &self.0
            }
        }

        methods!($class { $($field),* } { $($($method)*)? });
    )*};
}

values! {
    /// The driver library that was loaded.
    Driver in "cuda_primary_context" { path, version }
    /// A device: its number in this process, and the ids that other processes know. Those that `devices` returns
    /// have their product name, too.
    Device in "cuda_primary_context" { ordinal, uuid, pci_bus_id, name }
    /// A device's primary context in this process, whichever library retained it.
    Context in "cuda_primary_context" { ordinal, uuid, active, flags, error }
    /// A library, or the program itself, that holds something on a device, as `cuda-contexts trace` counted.
    Holder in "cuda_primary_context" { library, references, green_contexts, ordinary_contexts, taken }
    /// An open `/dev/nvidia*` file of a process.
    DeviceFile in "cuda_primary_context" { descriptor, path }
    /// A driver call and its result code.
    Call in "cuda_primary_context" { call, code, name }
    /// What a run did to one device.
    DeviceReport in "cuda_primary_context" {
        ordinal, uuid, outcome, calls, holders, taken_before, releases, handles, error, active
    }
    /// What became of the calling thread's current context.
    CurrentContext in "cuda_primary_context" { change, from_device, error }
    /// What would be done to one device.
    PlannedDevice in "cuda_primary_context" { ordinal, uuid, planned, at_most, handles, error }
    /// What `retain_only` or `release_strays` would do. Printed, it is a table.
    Plan in "cuda_primary_context" { driver, kept, devices }
    /// A step that was tried for a process.
    StepReport in "cuda_primary_context.checkpoint" { step, undoing, milliseconds, error }
    /// What was done for one process, and what it is now.
    ProcessReport in "cuda_primary_context.checkpoint" { pid, steps, state }
    /// One process of a tree.
    TreeProcess in "cuda_primary_context.checkpoint" { pid, parent, command, device_files }
    /// What one device has, and what a restore needs there.
    DeviceRoom in "cuda_primary_context.checkpoint" { device, needed, free } {
        #[new]
        fn of_caller(
            device: String,
            needed: &Bound<'_, PyAny>,
            free: &Bound<'_, PyAny>,
        ) -> PyResult<Self> {
            let (needed, free): (u64, u64) = (number(needed, BYTES)?, number(free, BYTES)?);
            let room = json!({ "device": device, "needed": needed, "free": free });
            Ok(Self(Fields::of(&room, Vec::new())?))
        }
    }
}

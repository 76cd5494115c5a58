"""What `nbdl bench` can measure: a module for each measurement, and the table of them all."""

from nbdl_cli.measurements import eager, fit, growth, inference, kernels, memory, scaling, start, steps, whole

MEASUREMENTS = {
    each.MEASUREMENT.name: each.MEASUREMENT
    for each in (steps, kernels, inference, start, memory, eager, scaling, growth, fit, whole)
}

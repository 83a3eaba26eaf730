"""Fleet: hulls, crews, fuel, tugs and surveys."""

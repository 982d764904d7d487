"""`GET /metrics`: the snapshot in Prometheus' own forms.

What there is, is said by tables (`table` and the modules that it gathers), read from one snapshot and the present time;
`exposition` alone knows prometheus_client. All but the endpoint is imported at the first scrape: a controller that
nobody scrapes does not pay for it. This module itself imports nothing.
"""

"""`failoverctl watch`: what the controllers tell, as it changes. Asks only what everybody may ask; orders nothing.

`sight` is what is known (pure), `streams` hears the controllers, `screens` show it, `run` puts them together.
"""

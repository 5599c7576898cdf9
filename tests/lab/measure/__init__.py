"""What make bench measures: peers.py are the set-ups, faults.py the outages, idle.py what a set-up costs while nothing
happens, stalls.py what must not move the service.
"""

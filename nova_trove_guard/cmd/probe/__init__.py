# SPDX-License-Identifier: Apache-2.0
"""``nova-trove-guard probe``: find services that run without the guard.

1. List the endpoints of Nova, Cinder and Neutron (endpoints).
2. Send each one a request that a guard refuses and the service itself rejects
   (requested), often enough to reach each process behind a balancer (sending).
3. Classify the responses (responses).
"""

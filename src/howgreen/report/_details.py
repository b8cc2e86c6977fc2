"""Translation of sentences composed elsewhere: warnings, notes, the basis of an interval.

They are stored as English text, in ``plan.json``, ``summary.json`` and a store, so that a report can be written in
another language later. Each is a template filled with values; matched against :data:`TEMPLATES`, it is translated as a
whole. The name of a value determines its format: ``n``, ``share``, ``area``, ``decimal`` as numbers, ``day`` as days,
``said`` by its own template, all others unchanged; the content of ``unsaid`` exists in English only. Text that matches
no template stays English, and the page marks it so.
"""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from typing import TYPE_CHECKING

from howgreen.core.words import MONTHS, NBSP

if TYPE_CHECKING:
    from markupsafe import Markup

    from howgreen.report._language import Language

TEMPLATES = (
    "%(share)s of the land (%(area)s) was never seen clearly, and may be more or less green than the rest; a longer --period may show it",
    "model %(model)s was not compared with reference data: how far it is off is not known, and there is no interval",
    "model %(model)s has no interval here: too few labelled places judged it, or it is used away from them",
    "the area is the image's own footprint, not the limits of %(name)s; give them with --area FILE",
    "no image is clear over %(share)s %% of the place by howgreen's own detector: what counts as clear may lie under a thin veil, and the ratio be far off; add images of clear days",
    "only 1 date (%(day)s): what was bare, mown or under an undetected cloud then counts as not green; add images of other dates",
    "only %(number)s dates (%(days)s): what was bare, mown or under an undetected cloud then counts as not green; add images of other dates",
    "the images span %(days)s: the city may have changed in between",
    "all images are of the months that are dry in most of the tropics on this side of the equator (%(days)s): what is leafless or withered then counts as not green; add images of the wet season, or use --season peak",
    "the median change of all pixels is %(points)s points: the two periods differ as a whole, by season, weather or light, and some of what is called lost or gained may be that; compare periods of the same season",
    "only %(some)s of %(all)s pixels could be called unchanged, or they lie on no line: the images are compared as they are, and haze or another sun may pass for change",
    "in %(years)s less than %(share)s of the land was seen, which alone may explain a difference",
    "%(years)s: fewer than %(number)s dates, so that one mown or dry day may make the year; ask for more --months",
    "no clear image in %(years)s: a gap in the series",
    "%(file)s: does not say of which year it is; give it with --population-year",
    "%(share)s %% of the dots could not be told, and are taken to be as the others are: with them, green lost could be from %(area)s to %(area_most)s, and gained from %(area_gained)s to %(area_gained_most)s",
    "districts that lie partly in others get no estimate of their own: %(names)s",
    "%(name)s is a density by its name, and is taken for people per cell; give counts of people",
    "around %(some)s of %(all)s people no land was seen: they are in no figure",
    "1 of the first %(n_all)s places was passed over: what is hard to see is not there by chance; look at it with `howgreen label`",
    "%(n)s of the first %(n_all)s places were passed over: what is hard to see is not there by chance; look at them with `howgreen label`",
    "%(share)s %% of the dots could not be told, and are taken to be as the others are: were they all bare, or all green, the green ratio could lie between %(low)s and %(high)s %%",
    "image %(id)s has",
    "the images have",
    "%(n)s of %(n_all)s images have",
    "%(said)s no cloud mask: clouds were found by howgreen's own detector, which may miss thin ones, and take large white roofs and pale sand for clouds; give a mask with `howgreen store add --mask`",
    "%(said)s no cloud mask, and too few bands to find clouds by: all pixels count as clear, clouds and their shadows too",
    "only 1 date (%(day)s): the radar's grain is not averaged over time, and fields are not told from woods by how they change; add images of other dates",
    "only %(n)s dates (%(days)s): the radar's grain is not averaged over time, and fields are not told from woods by how they change; add images of other dates",
    "the only image lies outside of the growing season here: what is bare or leafless then counts as not green",
    "all %(n)s images lie outside of the growing season here: what is bare or leafless then counts as not green",
    "%(n)s of %(n_all)s images lies outside of the growing season here: what is bare or leafless then counts as not green",
    "%(n)s of %(n_all)s images lie outside of the growing season here: what is bare or leafless then counts as not green",
    "only 1 month with clear images (%(months)s) in %(period)s: whether others are greener is not known; add images of other months",
    "only 0 months with clear images (none) in %(period)s: whether others are greener is not known; add images of other months",
    "only %(n)s months with clear images (%(months)s) in %(period)s: whether others are greener is not known; add images of other months",
    "image %(id)s was left out: %(said)s",
    "%(catalog)s: %(n)s items are not proper STAC, and were left out: %(first)s",
    "no clear optical image (%(said)s): answered with radar, which sees through cloud, and structure instead of leaves; a far wider interval says so. For an optical answer ask for another --period",
    "radar looked from both sides (%(n_up)s ascending, %(n_down)s descending passes): walls and slopes are averaged",
    "images of %(platforms)s in one picture: their bands differ a little (Roy et al. 2016), nothing was corrected",
    "its metadata says offset %(told)s, its pixels fit %(fit)s: read with that",
    "image %(id)s: %(said)s; check its --offset",
    "%(share)s %% of the clear pixels have negative reflectance: the offset seems subtracted twice",
    "the darkest hundredth reflects %(decimal)s in every visible band: an offset seems not subtracted; on the other dates it reflects %(decimal_other)s",
    "the darkest hundredth reflects %(decimal)s in every visible band: an offset seems not subtracted",
    "scene %(unsaid_id)s: offset %(told)s contradicts its pixels (%(said)s); %(unsaid)s (Sentinel-2: -0.1 from baseline 04.00 on, unless already removed)",
    "most of it is cloud, so whether an offset was left in its numbers cannot be told",
    "its mask calls hardly any of it clear, so whether its numbers are reflectance cannot be told",
    "band %(band)s shows only %(share)s %% of what %(other)s shows, or the other way: are all bands of one image and place?",
    "%(source)s has %(n)s people per km² inside the limits, more than any city; are its numbers people per cell, and not a density?",
    "%(source)s holds %(number)s in all cells with people: they are spread evenly over what is settled, or these are no counts, but marks of where it is settled",
    "%(source)s reaches over %(share)s %% of the limits; nobody is counted beyond",
    "%(image)s: shows nothing of %(name)s, but ground %(n)s km away (around %(place)s); check the image's CRS, and --area",
    "%(share)s %% of its bare ground reflects more blue than red light: red and blue are exchanged (--bands), or the air's own light was not taken out (Level-1C, top of atmosphere)",
    "%(share)s %% of its plants reflect more of band %(band)s than of %(other)s: the two are exchanged, or the bands are in another order (--bands)",
    "%(share)s %% of its plants reflect more blue than green light: blue and green are exchanged (--bands), or the air's own light was not taken out (Level-1C, top of atmosphere)",
    "the second image shows the ground %(n)s pixels away from where the first shows it: along all edges of green, that counts as lost or gained; put the images in the same place, or use others",
    "it holds the same pixels as %(id)s: one of the two days is wrong, or it is there twice; keep one of them",
    "on its brightest ground green light is %(decimal)s times the mean of blue and red (elsewhere %(decimal_low)s to %(decimal_high)s): one of the three has another scale than it is said to have, or --bands has another order",
    "on its brightest ground band %(band)s reflects %(decimal)s times what the visible bands do (elsewhere %(decimal_low)s to %(decimal_high)s): it has another scale than it is said to have, or --bands has another order",
    "band %(band)s shows the ground %(n)s pixels away from where the others show it: it is of another image, or was put in place wrongly",
    "%(number)s, its value for no data, seems to be one that the ground of band %(band)s has: %(decimal)s %% of it are holes of single pixels; give the right one with --nodata",
    "in %(share)s %% of it no visible band is dark anywhere, elsewhere all are: an offset seems left in a part of it, as in a mosaic of products of different baselines",
    "its pixels are %(size)s m, and %(sensor)s has %(usual)s m: parks, gardens and water smaller than a pixel are mixed with what is around them",
    "a border of one value in all bands, %(share)s %% of it, is taken for no data; give --nodata if it is something else",
    "its mask holds %(found)s, and none that --mask-clear calls clear (%(given)s): all of it counts as cloud",
    "its folder lacks %(files)s",
    "%(strange)s not understood and not used; name the bands with --bands, '-' for one to leave out",
    "with %(numbers)s, as was insisted: %(said)s",
    "with %(numbers)s, as its metadata says: %(said)s",
    "half of the pixels reflect less than %(low)s, and 1 %% more than %(high)s: not surface reflectance (0-1)",
    "band %(band)s: half of it reflects more than %(low)s, and 5 %% more than %(high)s: brighter than snow",
    "band %(band)s: not one pixel in a hundred of its land reflects more than %(high)s: darker than any land, or the bands are in another order (--bands)",
    "%(share)s %% of the land reflects less than nothing: an offset seems subtracted twice",
    "in no visible band is a twentieth darker than %(low)s: an offset seems not subtracted",
    "band %(band)s: only a hundredth is darker than %(low)s, where the other visible bands go down to %(other)s: an offset seems not subtracted",
    "band %(band)s: its reflectance comes in steps of %(step)s, not of 0.0001: it was multiplied",
    "in every band, %(share)s %% of the numbers in between never occur: they seem multiplied by %(factor)s",
    "%(host)s answers with %(answer)s where the mask file of an image (FILE.tif.msk) would be: none is taken to be there, and no pixel to be hidden by one",
    "%(name)s: its boundary does not touch that of %(other)s (%(id)s), which the store knows",
    "%(file)s: the server that wrote it gave only a part of its areas; fetch all pages",
    "%(file)s: its CRS names no datum; taken for WGS 84, which may be off by 100 m or more",
    "the letters of %(file)s were taken for %(encoding)s; if names look wrong, give --encoding",
    "%(name)s: sea told by its colour alone: %(said)s; give polygons of land with --land",
    "sea told by its colour alone: no coastline (%(reason)s)",
    "sea told by its colour alone: %(said)s",
    "the %(said_coast)s is broken here",
    "the %(said_coast)s holds only closed rings here, which may be islets of a river",
    "by the %(said_coast)s %(share)s of the limits would be sea",
    "coastline of OpenStreetMap, %(licence)s",
    "land of %(file)s",
    "%(file)s does not say on which side of its lines land lies; taken as on their left: check the map",
    "%(name)s: the images show water on %(share)s of the limits, so that the place is mostly water; that water alone is left out",
    "%(name)s: the images show water on %(share)s of the limits, so that it lies on land for the most part; that water alone is left out",
    "an area is left out: %(said)s, and %(n)s more",
    "an area is left out: %(said)s",
    "%(file)s: the boundary crosses itself (%(where)s); redraw it without crossings",
    "%(file)s: the boundary encloses no area (%(where)s); draw it again",
    "%(file)s: its areas overlap on %(area)s, which counts in each of them",
    "%(file)s: %(said_mended)s; check the map",
    "boundary repaired: %(said_mended)s",
    "1 part without area left out",
    "%(n)s parts without area left out",
    "%(n)s rings written as holes lie outside of their area, and are taken as islands",
    "boundary repaired: %(fault)s",
    "overlapping parts of the boundary were merged",
    "%(source)s has %(n)s people inside the limits, and %(known)s has %(n_known)s (%(year)s); are its numbers people per cell, and not a density?",
    "model %(model)s is used %(said_far)s: what it says there was never checked, and there is no interval",
    "%(n)s km from the place that it was made for",
    "in another season (it learned from images of %(days_learned)s; most used here are more than %(n)s days away)",
    "on images of %(sensors)s (it learned from %(other)s)",
    "model %(model)s was made for pixels of %(size)s m and is used on %(size_used)s m, on which it was not scored",
    "model %(model)s has no class water: rivers and lakes count as land",
    "pixels further than halo_px %(halo)s change its answers by up to %(decimal)s: its tiles are blended over %(n)s pixels, so that no seam shows",
    "pixels further than halo_px %(halo)s change its answers by up to %(decimal)s: seams may show where tiles meet; a smaller stride_px in its card would blend them",
    "%(file)s: agrees with the answer no better than chance (kappa %(decimal)s): make sure that it is %(map)s, of this place and of about these years",
    "%(satellites)s is left out: it shares 1 year with the next satellites, of %(n_needed)s that are needed to join them",
    "%(satellites)s is left out: it shares %(n)s years with the next satellites, of %(n_needed)s that are needed to join them",
    "no land was seen clearly",
    "degree of urbanisation not known of %(names)s: taken to be cities or towns; give Eurostat's table with --degurba",
    "no urban centres and clusters were given: whether a commune may be left out, and the areas drawn by them, are not told; give Eurostat's rasters with --clusters",
    "%(file)s: no urban centre or cluster lies in these communes",
    "no map of tree cover was given: tree cover is not told; give it with --tree-cover",
    "limits from OpenStreetMap by Overpass, asked on %(date)s",
    "limits from OpenStreetMap by Nominatim, asked on %(date)s",
    "limits from an OpenStreetMap extract of %(date)s",
    "also of this name, but cut in the extract: %(names)s",
    "has the same limits as %(other)s (%(id)s, level unknown)",
    "has the same limits as %(other)s (%(id)s, level %(level)s)",
    "not checked whether it lies in %(name)s: the extract does not hold that area whole",
    "not checked whether it lies in %(name)s: the store does not know",
    "the limits surround %(area)s that are not part of them",
    "%(area)s of the limits are sea and count nowhere (%(said_coast)s)",
    "IGN's population of %(n)s has no year and is left out",
    "OpenStreetMap's population of %(n)s has no year and is left out",
    "without districts: %(source)s has no administrative areas inside",
    "without districts: they could not be looked up (%(reason)s)",
    "the districts of level %(level)s (%(n)s) cover %(share)s of the city, %(area)s lie in none",
    "districts smaller than a pixel were left out: %(names)s",
    "the districts (%(n)s) cover %(share)s of the city, %(area)s lie in none",
    "districts of the layer %(layer)s; not of %(others)s, on the same ground",
    "a circle of %(km)s km (the default radius) around %(point)s, not the limits of a city",
    "a circle of %(km)s km around %(point)s, not the limits of a city",
    "%(n)s areas of %(file)s are left out: they have no usable CRS or coordinates",
    "%(n)s areas of %(file)s taken together",
    "the same area lies in several layers (%(layers)s); the finest is taken",
    "No limits were given: the area is what the images show, not the city. Give the city's limits with --area to get its own green ratio.",
    "%(year)s means its growing season here, %(period)s; for all of the year ask for %(all)s",
    "%(year)s means the twelve months around its growing season here, %(period)s",
    "passed over %(source)s: %(said)s",
    "%(catalog)s: %(n)s scenes left out, their files need an account",
    "no month of the year has an image clear enough to measure how green it was",
    "season measured: greenest %(months)s, of 1 month compared by mean NDVI: %(list)s",
    "season measured: greenest %(months)s, of %(n)s months compared by mean NDVI: %(list)s",
    "%(n)s of %(n_all)s images were brought to Landsat 8's bands by %(source)s",
    "%(map)s was left out: %(said)s",
    "%(name)s has no public address without an account; export it and give --%(option)s FILE",
    "%(name)s may not be asked (offline); give %(options)s",
    "%(name)s may not be asked for (offline); give %(options)s",
    "%(what)s may not be asked (offline), and has not been asked this before; give %(options)s",
    "%(what)s gave no answer in %(n)s s (%(reason)s); check the connection and try again, or give %(options)s",
    "does not answer in time",
    "is not known to the network (check the connection)",
    "refuses the connection",
    "cannot be reached, or breaks the connection off",
    "%(said)s (HTTP %(status)s)",
    "wants an account",
    "refuses",
    "has no such page",
    "is asked too often",
    "is out of order",
    "refuses the request",
    "breaks off in the middle of the file",
    "sends too slowly",
    "%(href)s: %(said)s; run the same again, it goes on from what it has",
    "%(href)s: %(said)s; try again later, or use another --catalog",
    "%(file)s: band %(band)s cannot be read (%(reason)s); %(unsaid)s",
    "%(place)s, %(period)s: no image is clear enough inside its limits: %(list)s",
    "%(place)s, %(period)s: no image shows it; choose another period, or add images with `howgreen store add`",
    "%(place)s, %(period)s: no %(sensor)s image shows it; choose another period, or add images with `howgreen store add`",
    "model: prediction interval of a new place from the mean errors of %(n)s places that were not used for training, t(%(df)s) sqrt(tau^2 + SE^2) with tau %(decimal_tau)s between places (DerSimonian-Laird) and standard error %(decimal_se)s of their mean (Hartung-Knapp), and that mean, %(decimal_mean)s, to either side; errors of limits, dates and masks are not in it",
    "model: no real place was at hand to judge radar: the prediction interval of a new simulated city, %(decimal_half)s to either side, times %(decimal_factor)s, by which the optical models' intervals in real places are wider than their errors in the same simulated cities; errors of limits, dates and terrain are not in it",
    "the zone is small: what zones of its size needed in simulated cities is added in squares",
    "unseen: %(share)s of the land was not seen, and is taken to be anything from bare to green",
    "ratio of two means",
    "ratio of two stratified means",
    "ratio of two means of a part",
    "mean",
    "stratified mean",
    "ratio of two means, assisted by the map (regression estimator)",
    "%(said)s, the map everywhere",
    "two-phase difference: agreed answers on some, readers on all",
    "%(said)s, assisted by the map (difference estimator)",
    "%(said)s; Wilson's interval",
    "%(file)s: maps no green in %(name)s, and does not say which ground it holds; see that it holds the place",
    "%(names)s: green areas cut where the OpenStreetMap extract ends count as far as they go; give a larger extract",
    "%(file)s: %(n_columns)s x %(n_rows)s pixels are too many for one file; ask for fewer communes",
    "Plan for %(name)s",
    "note: %(said)s",
    "warning: %(said)s",
    "period %(period)s, %(sensor)s, model %(model)s (%(n)s bands)",
    "season: %(decimal)s MiB of overviews were read to measure it",
    "grid %(columns)s x %(rows)s pixels of %(size)s m, %(crs)s",
    "scenes used: %(n)s, about %(n_mib)s MiB to read from %(source)s: %(time)s at %(speed)s Mbit/s",
    "scenes used: %(n)s, about %(n_mib)s MiB to read from %(source)s",
    "  %(date)s  clear %(share)s %% of the city, covers %(share_covered)s %%  %(id)s",
    "radar beside them: %(n)s",
    "found and not used: %(n)s",
    "image %(id)s: %(said)s",
    "images %(ids)s and %(n)s more: %(said)s",
    "images %(ids)s: %(said)s",
    "all %(n)s images: %(said)s",
    "%(names)s … and %(n)s more",
)
"""Templates as written at their origin, with values as ``%(name)s``; the first match is used."""
CARDS = (
    "Shares of vegetation, built, bare, dry plants and water within a pixel, by a small network that was trained on simulated mixtures",
    "the probability of a class is its expected planimetric share, and green fraction is that of vegetation, with its standard error",
    "Straw, litter and dead grass are dry plants, which are not green",
    "the soil between young crops counts as bare",
    "parched grass with some green left counts as vegetation",
    "Bare, built and dry plants are easily confused",
    "Its figures on real pure pixels are of Sentinel-2's bands in place of Landsat's",
    "Simulated: PROSPECT-D + 4SAIL canopies, dry plants, soils, snow and water, mixed linearly with the 74 impervious urban materials of SLUM (Kotthaus et al. 2014, doi:10.5281/zenodo.4263842), with measured materials of Karlsruhe (KLUM library, R. Ilehag), coloured cloth, walls and sand of Gulfport (MUUFL, GatorSense), artificial turf of Pasadena (ISOFIT tutorials) and simulated paints, shaded by houses, crowns and slopes, seen through the air, blurred and made noisy",
    "%(share)s of the pixels are Landsat's, whose green, dry and bare fractions people measured in the field at two thirds of the sites of Australian rangeland (fractionalcover3, MIT)",
    "the bands that Landsat lacks were drawn for them from simulated pixels alike in the others",
    "The error there that enters the interval is that of a twin that was trained on none of them",
    "Real pixels of Freiburg, Münster, Aberystwyth, the Southern Bug, Texas and Australia were used for judging, and guided the choice of priors over several rounds",
    "mixtures of the first three set the factor on all standard errors",
    "so figures on those places are kinder than on new ones",
    "Potsdam's reference was used only for judging",
    "Potsdam, Germany, 98 photo-interpreted vegetation fractions of 30 m pixels, EnMAP spectra of 2022-07-24 resampled to the bands of %(satellite)s (EnMAP-Box), each shown as an even field",
    "Potsdam, Germany, 98 photo-interpreted vegetation fractions of 30 m pixels, EnMAP spectra of 2022-07-24 resampled to the bands of %(satellite)s (EnMAP-Box)",
    "The NDVI rule: green fraction linear between NDVI 0.1 and 0.76",
    "water where green exceeds near-infrared (NDWI > 0) and near-infrared is below 0.1",
    "Deep shade can pass for water",
    "Two NDVI anchors (bare 0.1, full 0.76) fitted to simulated mixtures of PROSAIL canopies, soils, water and SLUM materials (Kotthaus et al. 2014, doi:10.5281/zenodo.4263842)",
    "U-Net: shares of six covers from a pixel and what is around it",
    "Real references are tables of pixels without neighbours, so that what it gains by looking around is known for simulated cities alone",
    "It was trained on towns of the simulator that built some of the cities whose figures stand here",
    "Tree, low vegetation and cropland are easily confused",
    "Simulated mixtures (PROSPECT-D + 4SAIL, dry plants, soils, snow, water, SLUM materials: Kotthaus et al. 2014, doi:10.5281/zenodo.4263842, and those of Karlsruhe (KLUM), Gulfport (MUUFL) and Pasadena), simulated neighbourhoods of any greenness, and simulated towns with shadows",
    "Shares of trees, low plants, built, bare and water from Sentinel-1's VV and VH and what is around a pixel, and from how much they changed between acquisitions",
    "Shares of trees, low plants, built, bare and water from Sentinel-1's VV and VH and what is around a pixel",
    "Radar sees through cloud and sees structure, not leaves: short grass, bare soil and asphalt look alike, a garden among houses is lost in their echo, and rough or wet soil passes for plants",
    "Use it where no clear optical image exists",
    "Simulated backscatter: levels and spreads of seven covers as published (Ulaby & Dobson 1989; Bauer-Marschallinger et al. 2021, doi:10.1038/s41597-021-01059-7; Ruetschi et al. 2018, doi:10.3390/rs10010055; Veloso et al. 2017; Vreugdenhil et al. 2018; Koppel et al. 2017; Small 2011), laid on simulated towns and fields, with texture, seasons, rain, noise and speckle",
    "No real image was used to train or tune it",
    "%(n)s looks at simulated cities of six climates",
    "no real place with a reference for radar was at hand",
    "Sampleton is synthetic: a simulated city with simulated images, placed in the open Atlantic",
    "Nothing measured on it says how accurate howgreen is on a real city",
    "Simulated images and limits: no real place, no satellite data",
    "howgreen sample data, CC0",
    "Model %(model)s %(version)s: Apache-2.0",
)
"""Self-descriptions of the shipped models and the sample city, sentence by sentence."""
_PLACE = re.compile(r"%\((\w+)\)s")
_BREAK = re.compile(r"(; |\. |: )")
_DAY = re.compile(rf"(\d{{1,2}}) ({'|'.join(MONTHS)})[a-z]*(?: (\d{{4}}))?")
_NUMBER = re.compile(r"n|n_\w+|number|some|all|points|share\w*|area\w*|decimal\w*")
_FREE = re.compile(r"(un)?said\w*|first|list|names|reason")
"""Values that may contain the separators of notes."""
_TIGHT = re.compile(r"strange")
"""Values without a colon: text before one belongs to another template."""
_LIST = TEMPLATES[-1]
"""A truncated list (:func:`howgreen.core.text.truncate_list`), as part of a value."""
_MOST_PARTS = 60
Piece = tuple[str, bool]
"""A text, and whether it is translated."""


def told(text: str, language: Language) -> Markup:
    """Translate a text, as HTML with addresses as links; untranslated parts are marked as English."""
    from markupsafe import Markup

    from howgreen.report._links import linked

    if language.code == "en":
        return linked(text)
    mark = Markup('<span lang="en" dir="ltr">{}</span>')
    return Markup().join(linked(part) if known else mark.format(linked(part)) for part, known in pieces(text, language))


def detail(text: str, language: Language) -> str | None:
    """Translate a text; None if no part of it is translated."""
    found = pieces(text, language)
    return "".join(part for part, _ in found) if any(known for _, known in found) else None


def pieces(text: str, language: Language) -> list[Piece]:
    """Translate a text, piece by piece."""
    for side, name in (("before: ", "Before"), ("after: ", "After")):
        if text.startswith(side):
            return [
                (f"{language.gettext(name)}{_joint(': ', language)}", True),
                *pieces(text.removeprefix(side), language),
            ]
    whole = _sentence(text, language)
    if whole and all(known for _, known in whole):
        return whole
    return _parts(text, language) or whole or [(text, False)]


def _parts(text: str, language: Language) -> list[Piece]:
    """Translate several sentences, or notes separated by semicolons; empty if none can be."""
    split = _BREAK.split(text)[:_MOST_PARTS]
    if len(split) == 1:
        return []
    made: list[Piece] = []
    at = 0
    while at < len(split):
        for end in range(at + 1, len(split) + 1, 2):
            found = _sentence("".join(split[at:end]), language)
            if found and all(known for _, known in found):
                made += found
                break
        else:
            end = at + 1
            made.append((split[at], False))
        if end < len(split):
            made.append((_joint(split[end], language), made[-1][1]))
        at = end + 1
    made.append((text.removeprefix("".join(split)), False))
    return _joined(made) if any(known and len(part) > 2 for part, known in made) else []


def _sentence(text: str, language: Language) -> list[Piece]:
    """Translate the output of one template; empty if none matches."""
    if text.endswith(".") and not any(pattern.fullmatch(text) for _, pattern in patterns()):
        without = _sentence(text[:-1], language)
        return _joined([*without, (".", without[-1][1])]) if without else []
    best: list[Piece] = []
    for template, pattern in patterns():
        found = pattern.fullmatch(text)
        words = language.gettext(template)
        if not found or (words == template and language.code != "en"):
            continue
        made: list[Piece] = []
        for number, part in enumerate(_PLACE.split(words.replace("%%", "%"))):
            if number % 2 == 0:
                made.append((part, True))
            elif part.startswith("said"):
                made += pieces(found[part], language)
            else:
                made.append((_value(part, found[part], language), True))
        if all(known for _, known in made):
            return _joined(made)
        best = best or _joined(made)
    return best


def _joined(made: list[Piece]) -> list[Piece]:
    joined: list[Piece] = []
    for part, known in made:
        if not part:
            continue
        if joined and joined[-1][1] == known:
            joined[-1] = (joined[-1][0] + part, known)
        else:
            joined.append((part, known))
    return joined


def _value(name: str, text: str, language: Language) -> str:
    if name.startswith("day"):
        return _days(text, language)
    if _NUMBER.fullmatch(name):
        return language.local(re.sub(r"(?<=\d) ?%", f"{NBSP}%", text))
    cut = dict(patterns())[_LIST].fullmatch(text)
    return language.gettext(_LIST) % {"names": cut["names"], "n": language.local(cut["n"])} if cut else text


def _days(text: str, language: Language) -> str:
    """Reformat the days in a text: ``3 May – 28 Sep 2024``, ``24 July``."""
    found = list(_DAY.finditer(text.replace(NBSP, " ")))
    year = next((one[3] for one in reversed(found) if one[3]), None)
    if not found:
        return text
    days = [date(int(one[3] or year or 2000), MONTHS.index(one[2]) + 1, int(one[1])) for one in found]
    if year is not None and len(days) <= 2:
        return language.days(days)
    return ", ".join(language.day_of_year(one) for one in days)


def _joint(text: str, language: Language) -> str:
    """Return the separator of two sentences, with the spaces of a language."""
    return {"; ": f"{language.semicolon} ", ": ": f"{language.colon} "}.get(text, text)


@cache
def patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """List the templates with the patterns that extract their values, in order of trial."""
    return tuple((template, _pattern(template)) for template in (*TEMPLATES, *CARDS))


def _pattern(template: str) -> re.Pattern[str]:
    parts = _PLACE.split(template.replace("%%", "%"))
    made = "".join(
        f"(?P<{part}>{'.' if _FREE.fullmatch(part) else '[^:;]' if _TIGHT.fullmatch(part) else '[^;]'}+?)"
        if number % 2
        else re.escape(part)
        for number, part in enumerate(parts)
    )
    return re.compile(made)
